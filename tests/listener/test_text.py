"""Cleaning, addresses, hashes, mentions and search tokens."""

from __future__ import annotations

import sqlite3
import time
import unicodedata
from datetime import UTC, date, datetime, timedelta, timezone

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from listener.errors import InvalidInput
from listener.text import (
    MAX_HANDLE,
    MAX_TEXT,
    MAX_TITLE,
    canonical_url,
    clean,
    content_hash,
    derived_id,
    search_query,
    search_tokens,
    to_mention,
)
from listener.types import Engagement, Kind, Mention, Precision, RawAuthor, RawItem

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


# --- clean ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        (
            "<p>배송이 <b>너무</b> 늦어요</p><p>환불해 주세요</p>",
            "배송이 너무 늦어요\n\n환불해 주세요",
        ),
        ("첫 줄<br>둘째 줄<br/>셋째 줄", "첫 줄\n둘째 줄\n셋째 줄"),
        ("<div>a</div><div>b</div>", "a\n\nb"),
        ("<ul><li>하나</li><li>둘</li></ul>", "하나\n\n둘"),
        ("<table><tr><td>가격</td><td>9,900원</td></tr></table>", "가격 9,900원"),
        ("a\n  b <i>c</i>", "a b c"),
        ("누리<b>마켓</b>이", "누리마켓이"),
        ("<script>alert('<p>x</p>')</script>ok", "ok"),
        ("<STYLE type=a>p{}</STYLE >ok", "ok"),
        ("<script>never closed", ""),
        ("<svg/>kept<svg><text>gone</text></svg>", "kept"),
        ("<!-- a > b --><!-->ok", "ok"),
        ("<!doctype html><?xml version='1.0'?>ok", "ok"),
        ("<![CDATA[<b>inner</b>]]>", "inner"),
        ("<a href=\"x>y\" title='<p>'>link</a>", "link"),
        ("<a it's odd>kept</a>", "kept"),
        ("Tom &amp; Jerry &lt;3 &#8217; &nbsp;&hellip;", "Tom & Jerry <3 ’ …"),
        ("&amp;lt;b&amp;gt;", "&lt;b&gt;"),  # decoded once
        ("&lt;script&gt;alert(1)&lt;/script&gt;", "<script>alert(1)</script>"),
        ("I <3 this\nand that", "I <3 this\nand that"),  # no tag: the line break is the author's
        ("5 < 6 & 7 > 2", "5 < 6 & 7 > 2"),
        ("x<br", "x"),
        ("no markup", "no markup"),
    ],
)
def test_clean_html(markup: str, text: str) -> None:
    assert clean(markup, html=True) == text


@pytest.mark.parametrize(
    ("dirty", "text"),
    [
        ("  a \t b\u00a0\u3000c  ", "a b c"),
        ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
        ("a \n \n\n\n b", "a\n\nb"),
        ("누\u200b리\ufeff마\u00ad켓", "누리마켓"),
        ("a\u202eb\u2066c\u200f", "abc"),
        ("a\x00b\x07c\x1bd\x9fe", "abcde"),
        ("\u1112\u1161\u11ab\u1100\u1173\u11af", "한글"),
        ("cafe\u0301", "café"),
        ("👨\u200d👩\u200d👧 ❤\ufe0f\u200d🔥", "👨\u200d👩\u200d👧 ❤\ufe0f\u200d🔥"),
        ("a\u200db", "ab"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", None),
        ("hi\U000e0041\U000e0042", "hi"),
        ("\ud83d\ude00", "😀"),  # two halves, escaped one by one
        ("a\ud83db", "a\ufffdb"),
        ("<b>&amp;</b>", "<b>&amp;</b>"),  # not HTML: as written
        ("", ""),
        (" \n\u200b ", ""),
    ],
)
def test_clean_plain(dirty: str, text: str | None) -> None:
    assert clean(dirty, html=False) == (dirty if text is None else text)


@given(
    st.text(st.characters(), max_size=60)
    | st.text("a가 \n\t\u200d\u200b😀\u0301\u115f\ud83d\ude00<>&", max_size=30)
)
@settings(max_examples=400)
def test_clean_holds_its_promise(text: str) -> None:
    for html in (False, True):
        plain = clean(text, html)
        assert clean(plain, html=False) == plain
        assert unicodedata.is_normalized("NFC", plain)
        assert "\x00" not in plain
        assert "\n\n\n" not in plain
        assert plain == plain.strip()
        plain.encode()


@pytest.mark.parametrize(
    "unit",
    [
        "<div>", "<b><p>", "<a ", '<a b="', "<a b='\"", "<!--", "<", "<![CDATA[", "<script>",
        "<template>", "<svg>", "&amp", "<a = ", "</", "<?", "\u0315\u0300", "😀\u200d",
        "\u200d\u061c", " \n", "\ud83d", "\U0001f3f4\U000e0061",
    ],
)  # fmt: skip
def test_clean_is_linear(unit: str) -> None:
    """100,000 repetitions of what is slow elsewhere: a tree builder took 81 s for the first."""
    text = unit * 100_000
    start = time.process_time()
    clean(text, html=True)
    clean(text, html=False)
    assert time.process_time() - start < 5


# --- canonical_url -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("https://example.com/a", "https://example.com/a"),
        ("HTTPS://Example.COM", "https://example.com/"),
        ("http://example.com:80/", "http://example.com/"),
        ("https://example.com:443/x", "https://example.com/x"),
        ("https://example.com:8443/x", "https://example.com:8443/x"),
        ("http://localhost:8080/x", "http://localhost:8080/x"),
        ("https://example.com/a#frag", "https://example.com/a"),
        ("https://example.com/?utm_source=x&id=3&fbclid=1&GCLID=2", "https://example.com/?id=3"),
        ("https://example.com/?utm_source=x", "https://example.com/"),
        ("https://example.com/?NaPm=ct%3Dx&nv_mid=1", "https://example.com/?nv_mid=1"),
        ("https://example.com/?b=2&a=1", "https://example.com/?b=2&a=1"),
        ("https://example.com/?b=2&&a=", "https://example.com/?b=2&a="),
        ("https://example.com/?b=2&utm_medium=x", "https://example.com/?b=2"),
        ("https://example.com./", "https://example.com/"),
        ("https://example.com/리뷰?q=배송", None),
        ("https://example.com/%eb%a6%ac", "https://example.com/%EB%A6%AC"),
        ("https://누리.example/", "https://xn--od1b68l.example/"),
        ("  https://example.com/a b  ", "https://example.com/a%20b"),
        ('https://example.com/"><script>', "https://example.com/%22%3E%3Cscript%3E"),
        ("https://m.example.com/a", "https://m.example.com/a"),
        ("https://[2001:DB8::1]:8080/x", "https://[2001:db8::1]:8080/x"),
        ("https://blog.naver.com/nuri?Redirect=Log&logNo=223", "https://blog.naver.com/nuri/223"),
        ("http://m.blog.naver.com/nuri/223?x=1", "https://blog.naver.com/nuri/223"),
        ("https://blog.naver.com/PostView.naver?blogId=nuri&logNo=223", "https://blog.naver.com/nuri/223"),
        ("https://m.blog.naver.com/PostView.nhn?logNo=223&blogId=nuri", "https://blog.naver.com/nuri/223"),
        ("https://blog.naver.com/nuri", "https://blog.naver.com/nuri"),
    ],
)  # fmt: skip
def test_canonical_url(url: str, canonical: str | None) -> None:
    found = canonical_url(url)
    if canonical is None:
        canonical = "https://example.com/%EB%A6%AC%EB%B7%B0?q=%EB%B0%B0%EC%86%A1"
    assert found == canonical
    assert canonical_url(found) == found


@pytest.mark.parametrize(
    "url",
    [
        None, "", "example.com/a", "//example.com/a", "javascript:alert(1)",
        "java\nscript:alert(1)",
        "data:text/html,x", "ftp://example.com/", "https://user:pw@example.com/", "https://good.com\\@evil.com/",
        "https:///a", "https://", "http://[::1", "https://exa mple.com/", "https://a..\x00/", "https://host:99999/",
        "https://host:x/", "https://example.com/" + "a" * 2000, "https://-/", "mailto:a@b.c",
    ],
)  # fmt: skip
def test_canonical_url_refuses(url: str | None) -> None:
    assert canonical_url(url) is None


@given(st.text(max_size=40).map("https://example.com/".__add__) | st.text(max_size=30))
def test_canonical_url_is_stable_and_plain(url: str) -> None:
    found = canonical_url(url)
    if found is not None:
        assert found.isascii()
        assert not set(found) & set("\"'<> \\") - {"'"}
        assert canonical_url(found) == found


# --- identity ------------------------------------------------------------------------------------


def test_content_hash_is_over_title_text_and_rating() -> None:
    base = content_hash("제목", "본문", 4, 1, 5)
    assert base == content_hash("제목", "본문", 4.0, 1.0, 5.0)
    assert len(base) == 32
    others = [
        content_hash(None, "제목본문", 4, 1, 5),
        content_hash("제목본", "문", 4, 1, 5),
        content_hash("제목", "본문.", 4, 1, 5),
        content_hash("제목", "본문", 3, 1, 5),
        content_hash("제목", "본문", 4, 1, 10),
        content_hash("제목", "본문", None, None, None),
    ]
    assert len({base, *others}) == 7
    assert content_hash(None, "x", None, None, None) == content_hash("", "x", None, None, None)


def test_derived_id_is_never_over_the_body() -> None:
    page = "https://shop.example/p/1"
    one = derived_id(page, "김누리", date(2026, 1, 3), 0)
    assert one == derived_id(page + "?utm_source=x#reviews", " 김누리 ", date(2026, 1, 3), 0)
    assert one == derived_id(page, "김누리", "2026-01-03", 0)
    different = [
        derived_id(page, "김누리", date(2026, 1, 3), 1),
        derived_id(page, "이누리", date(2026, 1, 3), 0),
        derived_id(page, "김누리", None, 0),
        derived_id("https://shop.example/p/2", "김누리", date(2026, 1, 3), 0),
    ]
    assert len({one, *different}) == 5
    seoul = timezone(timedelta(hours=9))
    assert derived_id(page, "a", datetime(2026, 1, 3, 9, tzinfo=seoul), 0) == derived_id(
        page, "a", datetime(2026, 1, 3, tzinfo=UTC), 0
    )


# --- to_mention ----------------------------------------------------------------------------------


def mention(**fields: object) -> Mention:
    given_fields = {"external_id": "1", "text": "배송이 늦어요", **fields}
    return to_mention(RawItem(**given_fields), "feed", NOW)  # type: ignore[arg-type]


def test_to_mention_keeps_what_the_source_says() -> None:
    made = mention(
        text="<p>#누리마켓 배송이 <b>늦어요</b></p>",
        title="<b>후기</b> &amp; 평",
        html=True,
        namespace="https://forum.example",
        kind=Kind.REVIEW,
        url="https://forum.example/1?utm_source=x",
        author=RawAuthor(native_id="u1", handle="nuri_fan", name="  김\n누리 ", followers=10),
        published_at=datetime(2026, 1, 5, 20, 0, tzinfo=timezone(timedelta(hours=9))),
        language="ko-KR",
        rating=2,
        rating_max=5,
        country="kr",
        media=("https://img.example/a.jpg", "javascript:x", "https://img.example/a.jpg"),
        engagement=Engagement(likes=3, replies=-1),
        is_own=True,
        raw={"id": 1},
    )
    assert made.source == "feed"
    assert made.text == "#누리마켓 배송이 늦어요"
    assert made.title == "후기 & 평"
    assert made.url == "https://forum.example/1"
    assert made.author == RawAuthor(native_id="u1", handle="nuri_fan", name="김 누리", followers=10)
    assert made.published_at == made.event_at == datetime(2026, 1, 5, 11, 0, tzinfo=UTC)
    assert made.published_at is not None
    assert made.published_at.tzinfo is UTC
    assert (made.rating, made.rating_min, made.rating_max) == (2.0, 1.0, 5.0)
    assert made.country == "KR"
    assert made.language_hint == "ko-KR"
    assert made.media == ("https://img.example/a.jpg",)
    assert made.engagement == Engagement(likes=3)
    assert made.is_own
    assert made.raw == {"id": 1}
    assert made.content_hash == content_hash("후기 & 평", "#누리마켓 배송이 늦어요", 2, 1, 5)


@pytest.mark.parametrize(
    ("at", "precision", "event_at", "clamped"),
    [
        (NOW - timedelta(hours=1), Precision.EXACT, NOW - timedelta(hours=1), False),
        (NOW + timedelta(minutes=4), Precision.EXACT, NOW + timedelta(minutes=4), False),
        (NOW + timedelta(minutes=6), Precision.EXACT, NOW, True),
        (NOW + timedelta(days=900), Precision.EXACT, NOW, True),
        (NOW - timedelta(hours=12), Precision.DAY, None, False),
        (NOW + timedelta(days=3), Precision.DAY, None, True),
        (None, Precision.EXACT, None, False),
    ],
)
def test_event_at(
    at: datetime | None, precision: Precision, event_at: datetime | None, clamped: bool
) -> None:
    made = mention(published_at=at, published_precision=precision)
    assert made.event_at == event_at
    assert made.event_clamped is clamped
    assert made.published_at == at


@pytest.mark.parametrize(
    "at",
    [
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
        None,
    ],
)
def test_a_date_that_is_none(at: datetime | None) -> None:
    made = mention(published_at=at)
    assert made.published_at is None
    assert made.published_precision is Precision.NONE
    assert made.event_at is None


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ((4, 1, 5), (4, 1, 5)),
        ((4, None, 5), (4, 1, 5)),
        ((0, 0, 10), (0, 0, 10)),
        ((4, None, None), (4, None, None)),
        ((0, None, 5), (None, None, None)),
        ((6, 1, 5), (None, None, None)),
        ((3, 5, 1), (None, None, None)),
        ((float("nan"), 1, 5), (None, None, None)),
        ((3, 1, float("inf")), (None, None, None)),
        ((-1, None, None), (None, None, None)),
        ((None, 1, 5), (None, None, None)),
    ],
)
def test_rating_within_its_scale(
    told: tuple[float | None, ...], kept: tuple[float | None, ...]
) -> None:
    made = mention(rating=told[0], rating_min=told[1], rating_max=told[2])
    assert (made.rating, made.rating_min, made.rating_max) == kept


def test_a_rating_alone_is_enough_and_nothing_is_not() -> None:
    assert mention(text="", rating=1, rating_max=5).text == ""
    assert mention(text="", title="제목").title == "제목"
    assert mention(text="", deleted=True).deleted
    with pytest.raises(InvalidInput) as caught:
        mention(text=" \u200b ")
    assert caught.value.field == "text"
    with pytest.raises(InvalidInput) as caught:
        mention(text="", rating=9, rating_max=5)
    for nothing in ("", " ", "\x00\u200b"):
        with pytest.raises(InvalidInput) as caught:
            mention(external_id=nothing)
        assert caught.value.field == "external_id"


def test_nonsense_is_cut() -> None:
    made = mention(
        text="가" * 300_000,
        title="나" * 5_000,
        url="https://example.com/" + "a" * 5_000,
        author=RawAuthor(handle="h" * 5_000, followers=10**30, url="javascript:x"),
        country="Korea",
        language="; drop table",
        external_id="i" * 5_000,
        parent_id="i" * 5_000,
        engagement=Engagement(likes=10**30),
        media=tuple(f"https://img.example/{n}" for n in range(500)),
        raw={"x": "y" * 1_000_000},
    )
    assert len(made.text) == MAX_TEXT
    assert made.title is not None
    assert len(made.title) == MAX_TITLE
    assert made.url is None
    assert made.author is not None
    assert len(made.author.handle) == MAX_HANDLE
    assert made.author.followers is None
    assert made.author.url is None
    assert made.country is None
    assert made.language_hint is None
    assert made.external_id.startswith("hash:")
    assert made.parent_id == made.external_id  # a reference still finds what it refers to
    assert made.external_id != mention(external_id="i" * 5_001).external_id
    assert made.engagement is None
    assert len(made.media) == 20
    assert made.raw is None


def test_raw_becomes_json_that_databases_take() -> None:
    loop: dict[str, object] = {}
    loop["self"] = loop
    made = mention(
        raw={"a\x00": "b\x00c", "d": "\ud83d", "n": float("nan"), "big": 2**80, "at": NOW, 1: (1,)}
    )
    data = orjson.dumps(made.raw)
    assert b"\\u0000" not in data
    assert orjson.loads(data) == {
        "a": "bc",
        "d": "\ufffd",
        "n": None,
        "big": str(2**80),
        "at": str(NOW),
        "1": [1],
    }
    assert mention(raw=loop).raw is None
    assert mention(raw={}).raw is None


def test_the_same_item_twice_is_the_same_but_for_now() -> None:
    item = RawItem(external_id="1", text="a", published_at=NOW + timedelta(days=5))
    one, two = to_mention(item, "x", NOW), to_mention(item, "x", NOW + timedelta(hours=1))
    assert one.content_hash == two.content_hash
    assert one.published_at == two.published_at


# --- search --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("배송이", ["배송", "송이", "이"]),
        ("가", ["가"]),
        ("K9은 GS25에서", ["k9", "은", "gs25", "에서", "서"]),
        ("Late, LATE_again! ＡＢＣ", ["late", "late", "again", "abc"]),
        ("東京タワー", ["東京", "京タ", "タワ", "ワー", "ー"]),
        ("😀 -- !", []),
        ("x" * 100, ["x" * 64]),
        ("", []),
    ],
)
def test_search_tokens(text: str, tokens: list[str]) -> None:
    assert search_tokens(text) == tokens


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("누리마켓 late", [["누리", "리마", "마켓"], ["late"]]),
        ("배", [["배*"]]),
        ("11번가", [["11", "번가"]]),
        ("가나abc", [["가나", "나", "abc"]]),
        ("GS편", [["gs", "편*"]]),
        ("late late", [["late"]]),
        ('"" * OR -', [["or"]]),
        ("!?", []),
    ],
)
def test_search_query(text: str, phrases: list[list[str]]) -> None:
    assert search_query(text) == phrases


def test_any_part_of_a_word_is_found_in_a_full_text_index() -> None:
    """Through SQLite's own tokenizer: what is typed is found wherever it stands in a word."""
    posts = [
        "누리마켓에서 샀는데 배송이 늦다",
        "GS25에서 Late 배송",
        "사과 한 상자",
        "가나abc다라 K9은",
    ]
    base = sqlite3.connect(":memory:")
    base.execute("create virtual table posts using fts5(tokens)")
    for number, post in enumerate(posts, start=1):
        base.execute(
            "insert into posts(rowid, tokens) values (?, ?)",
            (number, " ".join(search_tokens(post))),
        )

    def find(query: str) -> list[int]:
        terms = []
        for phrase in search_query(query):
            prefix = phrase[-1].endswith("*")
            terms.append('"' + " ".join(phrase).rstrip("*") + '"' + (" *" if prefix else ""))
        rows = base.execute(
            "select rowid from posts where posts match ? order by rowid", (" AND ".join(terms),)
        )
        return [row[0] for row in rows]

    assert find("누리마켓") == [1]
    assert find("마켓에서") == [1]
    assert find("배송") == [1, 2]
    assert find("배송 LATE") == [2]
    assert find("gs25") == [2]
    assert find("과") == [3]  # one syllable, the last of its word
    assert find("상") == [3]
    assert find("나abc") == [4]
    assert find("나abc다") == [4]
    assert find("k9") == [4]
    assert find("마리누켓") == []


@given(st.text("가나다ab1 #.😀", max_size=20))
def test_a_word_of_the_text_finds_the_text(text: str) -> None:
    """Every phrase of a query made from whole runs of the text stands in its tokens."""
    tokens = search_tokens(text)
    words = text.split()
    for word in words:
        for phrase in search_query(word):
            head, last = phrase[:-1], phrase[-1]
            assert any(
                tokens[at : at + len(head)] == head
                and (
                    tokens[at + len(head)].startswith(last[:-1])
                    if last.endswith("*")
                    else tokens[at + len(head)] == last
                )
                for at in range(len(tokens) - len(head))
            )
