"""Addresses that mean the same page, the terms of a brand, and walks by what was seen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.collect.search import link_id, plain_link, terms
from listener.types import Brand

SAME = [
    (
        "blog.naver.com/mina_kim/223000000007",
        "https://blog.naver.com/mina_kim?Redirect=Log&amp;logNo=223000000007",
        "https://blog.naver.com/mina_kim?Redirect=Log&amp;amp;logNo=223000000007",
        "https://blog.naver.com/mina_kim/223000000007",
        "https://m.blog.naver.com/mina_kim/223000000007?recommendTrackingCode=2",
        "http://blog.naver.com/PostView.nhn?blogId=mina_kim&logNo=223000000007",
        "https://m.blog.naver.com/PostView.naver?blogId=mina_kim&logNo=223000000007&proxyReferer=",
        "blog.naver.com/mina_kim/223000000007",
    ),
    (
        "cafe.naver.com/nurimoms/907",
        "http://cafe.naver.com/nurimoms/907",
        "https://m.cafe.naver.com/nurimoms/907?art=ZXh0ZXJuYWw.eyJ0eXAiOiJKV1QifQ",
        "https://cafe.naver.com/NuriMoms/907",
    ),
    (
        "cafe.naver.com/ca-fe/cafes/10050146/articles/907",
        "https://cafe.naver.com/ca-fe/cafes/10050146/articles/907?oldPath=%2F",
        "https://m.cafe.naver.com/ca-fe/web/cafes/10050146/articles/907",
        "https://cafe.naver.com/f-e/cafes/10050146/articles/907",
        "http://cafe.naver.com/ArticleRead.nhn?clubid=10050146&articleid=907",
    ),
    (
        "kin.naver.com/50203/480000002",
        "https://kin.naver.com/qna/detail.naver?d1id=5&dirId=50203&docId=480000002&qb=7Iud&rank=3",
        "http://kin.naver.com/qna/detail.nhn?dirId=50203&docId=480000002&d1id=5",
        "https://m.kin.naver.com/mobile/qna/detail.naver?d1id=5&dirId=50203&docId=480000002",
    ),
    (
        "n.news.naver.com/article/998/0000000021",
        "https://n.news.naver.com/mnews/article/998/0000000021?sid=101",
        "https://n.news.naver.com/article/998/0000000021",
        "https://news.naver.com/main/read.naver?mode=LSD&mid=sec&oid=998&aid=0000000021",
        "https://m.sports.naver.com/kbaseball/article/998/0000000021",
        "https://m.entertain.naver.com/article/998/0000000021",
    ),
    (
        "sallim.tistory.com/41",
        "https://sallim.tistory.com/41",
        "https://sallim.tistory.com/m/41",
        "https://sallim.tistory.com/41/#comment9",
    ),
    ("gnote.example/entry/a-b", "https://gnote.example/m/entry/a-b"),
    ("cafe.daum.net/altteul/KkLm/77", "https://m.cafe.daum.net/altteul/KkLm/77?svc=cafeapi"),
    (
        "v.daum.net/v/20250310080200123",
        "https://news.v.daum.net/v/20250310080200123",
        "http://v.daum.net/v/20250310080200123?f=o",
    ),
    (
        "outlet.example/view.php?id=7",
        "https://www.outlet.example/view.php?id=7&utm_source=naver",
        "http://m.outlet.example/view.php?id=7#top",
    ),
]


@pytest.mark.parametrize(("same", "link"), [(row[0], link) for row in SAME for link in row[1:]])
def test_one_page_has_one_id(same: str, link: str) -> None:
    assert link_id(link) == same


def test_a_cafe_is_known_by_its_name_where_the_link_has_its_number() -> None:
    link = "https://cafe.naver.com/ca-fe/cafes/10050146/articles/907"
    assert link_id(link, "https://cafe.naver.com/nurimoms") == "cafe.naver.com/nurimoms/907"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://blog.naver.com/mina_kim/1", "https://blog.naver.com/mina_kim/2"),
        ("https://cafe.naver.com/a/1", "https://cafe.naver.com/b/1"),
        (
            "https://kin.naver.com/qna/detail.naver?dirId=1&docId=2",
            "https://kin.naver.com/qna/detail.naver?dirId=2&docId=2",
        ),
        ("https://a.example/v?id=1", "https://a.example/v?id=2"),
        ("https://a.tistory.com/1", "https://b.tistory.com/1"),
        ("https://a.example/m/about", "https://a.example/about"),
        ("https://m.example/1", "https://example/1"),
    ],
)
def test_different_pages_have_different_ids(one: str, other: str) -> None:
    assert link_id(one) != link_id(other)


@given(st.text(max_size=200))
def test_any_link_is_read_or_refused(link: str) -> None:
    found = link_id(link, link)
    assert found == link_id(link, link)
    assert plain_link(plain_link(link)) == plain_link(link)


@pytest.mark.parametrize("link", ["", "javascript:alert(1)", "ftp://a.example/1", "https://"])
def test_what_is_no_web_address_has_no_id(link: str) -> None:
    assert link_id(link) == ""


@pytest.mark.parametrize(
    ("query", "brand", "found"),
    [
        (" 누리마켓  배송 ,,누리마켓 배송\n누리 앱", None, ["누리마켓 배송", "누리 앱"]),
        ("", Brand(id=1, name="누리마켓", aliases=("Nuri", "NURI", " ")), ["누리마켓", "Nuri"]),
        (
            "",
            Brand(id=1, name="하늘", any_terms=("하늘택배",), all_terms=("택배", "기사")),
            ["하늘 택배 기사", "하늘택배 택배 기사"],
        ),
        ("", Brand(id=1, name=""), []),
        ("", None, []),
    ],
)
def test_terms_are_those_of_the_query_or_the_names(
    query: str, brand: Brand | None, found: list[str]
) -> None:
    assert terms(query, brand) == found
