"""Posts on Korean platforms have one address, whatever led there."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.sites import HOSTS
from listener.text import canonical_url

CAFE = "https://cafe.naver.com/ca-fe/cafes/10050146/articles/907"
KIN = "https://kin.naver.com/qna/detail.naver?d1id=5&dirId=50203&docId=480000002"
NEWS = "https://n.news.naver.com/article/998/0000000021"


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("https://m.cafe.naver.com/Nuri-Moms/907?art=ZXh0ZXJu.eyJ0", "https://cafe.naver.com/nuri-moms/907"),
        ("https://m.cafe.naver.com/ca-fe/web/cafes/10050146/articles/907?fromList=true", CAFE),
        ("https://cafe.naver.com/f-e/cafes/10050146/articles/907", CAFE),
        ("http://cafe.naver.com/ArticleRead.nhn?clubid=10050146&articleid=907", CAFE),
        ("https://cafe.naver.com/nurimoms", "https://cafe.naver.com/nurimoms"),
        ("https://m.kin.naver.com/mobile/qna/detail.nhn?d1id=5&dirId=50203&docId=480000002", KIN),
        ("https://kin.naver.com/qna/detail.nhn?docId=480000002&d1id=5&dirId=50203", KIN),
        ("https://kin.naver.com/profile/a?u=1", "https://kin.naver.com/profile/a?u=1"),
        ("https://n.news.naver.com/mnews/article/998/0000000021?sid=101", NEWS),
        ("https://news.naver.com/main/read.naver?oid=998&aid=0000000021", NEWS),
        ("https://m.sports.naver.com/kbaseball/article/998/0000000021", NEWS),
        ("https://news.naver.com/section/101", "https://news.naver.com/section/101"),
        ("https://m.cafe.daum.net/altteul/KkLm/77?svc=cafeapi", "https://cafe.daum.net/altteul/KkLm/77"),
        (
            "http://cafe.daum.net/_c21_/bbs_search_read?grpid=1LtXl&fldid=AoDe&datanum=6",
            "https://cafe.daum.net/1LtXl/AoDe/6",
        ),
        ("http://cafe.daum.net/_c21_/home?grpid=1LtXl", "http://cafe.daum.net/_c21_/home?grpid=1LtXl"),
        ("https://news.v.daum.net/v/20250310080200123?f=m", "https://v.daum.net/v/20250310080200123"),
        ("https://sallim.tistory.com/m/41", "https://sallim.tistory.com/41"),
        ("https://sallim.tistory.com/m/entry/a-b", "https://sallim.tistory.com/entry/a-b"),
        ("https://sallim.tistory.com/m/guestbook", "https://sallim.tistory.com/m/guestbook"),
        ("https://sallim.tistory.com/41", "https://sallim.tistory.com/41"),
    ],
)  # fmt: skip
def test_one_post_has_one_address(url: str, canonical: str) -> None:
    assert canonical_url(url) == canonical
    assert canonical_url(canonical) == canonical


@pytest.mark.parametrize(
    "host",
    ["notblog.naver.com", "blog.naver.com.evil.example", "cafe.naver.company", "tistory.com"],
)
def test_other_hosts_are_not_taken_for_them(host: str) -> None:
    assert not re.fullmatch(HOSTS, host)


@given(
    st.sampled_from(["m.blog.naver.com", "cafe.naver.com", "kin.naver.com", "cafe.daum.net",
                     "n.news.naver.com", "v.daum.net", "a.tistory.com"]),
    st.text(max_size=60) | st.text(max_size=20).map("m/entry/".__add__), st.text(max_size=60),
)  # fmt: skip
def test_whatever_it_finds_is_safe_and_stays(host: str, path: str, query: str) -> None:
    found = canonical_url(f"https://{host}/{path}?{query}")
    if found is not None:
        assert found.isascii()
        assert not set(found) & set('"<> ')
        assert canonical_url(found) == found
