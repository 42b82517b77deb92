"""Threads and lists of every kind of board, on invented pages in both languages."""

# The pages below are as wide as pages are.
# ruff: noqa: E501

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest

from listener.types import Kind, Precision
from spiders.platforms.forum import read_index, read_thread
from spiders.platforms.found import FoundItem, parse, shown, zone_of

NOW = datetime(2025, 3, 10, 12, 0, tzinfo=UTC)
URL = "https://board.example/t/17"

PHPBB = """<html lang="en"><body id="phpbb"><h2 class="topic-title"><a>Late again</a></h2>
<div id="p1201" class="post has-profile bg2"><dl class="postprofile"><dt>
 <a href="./memberlist.php?mode=viewprofile&amp;u=31" class="username">haneul</a></dt></dl>
 <div class="postbody"><p class="author">by <strong><a href="./u31" class="username">haneul</a>
 </strong> » <time datetime="2025-03-09T06:20:00+00:00">Sun Mar 09, 2025 6:20 am</time></p>
 <div class="content">My parcel is late again.</div><div class="signature">Carpe diem</div></div></div>
<div id="p1202" class="post"><div class="postbody"><p class="author">by
 <a class="username-coloured" href="./u32">bada</a> » Sun Mar 09, 2025 7:05 am</p>
 <div class="content"><blockquote class="uncited"><div>My parcel is late</div></blockquote>
 Mine came <b>broken</b>.</div></div></div></body></html>"""

XENFORO = """<html id="XF" lang="en-US"><h1 class="p-title-value">Late again</h1>
<article class="message message--post js-post" data-author="haneul" data-content="post-1201"
 id="js-post-1201"><h4 class="message-name"><a class="username" href="/members/haneul.31/">haneul
 </a></h4><div class="message-attribution"><time class="u-dt" datetime="2025-03-09T15:20:00+0900"
 data-time="1741501200">Mar 9, 2025</time></div><div class="message-body"><div class="bbWrapper">
 My parcel is late again.</div></div></article>
<article class="message message--post" data-author="bada" data-content="post-1202">
 <div class="message-attribution"><time datetime="2025-03-09T16:05:00+0900">x</time></div>
 <div class="message-body"><div class="bbWrapper"><blockquote class="bbCodeBlock
 bbCodeBlock--quote">My parcel is late</blockquote>Mine came broken.</div></div></article>
<div class="pageNav"><a class="pageNav-jump pageNav-jump--next" href="/t/17?page=2">Next</a></div>"""

VBULLETIN = """<html lang="en"><span class="threadtitle">Late again</span><ol id="posts">
<li class="postbitlegacy" id="post_1201"><div class="posthead"><span class="postdate"><span
 class="date">03-09-2025,&nbsp;<span class="time">06:20 AM</span></span></span></div>
 <a class="username" href="member.php?31">haneul</a><blockquote class="postcontent restore">
 My parcel is late again.</blockquote></li>
<li class="postbitlegacy" id="post_1202"><span class="date">Yesterday, 07:05 AM</span>
 <a class="username" href="member.php?32">bada</a><blockquote class="postcontent">
 <div class="bbcode_quote">My parcel is late</div>Mine came broken.</blockquote></li></ol></html>"""

DISCOURSE = """<html lang="en"><meta name="generator" content="Discourse 3.4"><h1>Late again</h1>
<div id="post_1" class="topic-body crawler-post"><div class="crawler-post-meta"><span class="creator"
 itemprop="author"><a itemprop="url" href="/u/haneul"><span itemprop="name">haneul</span></a></span>
 <time datetime="2025-03-09T06:20:00Z">March 9</time></div><div class="post" itemprop="text">
 <p>My parcel is late again.</p></div></div>
<div id="post_2" class="topic-body crawler-post"><span class="creator"><a href="/u/bada"><span
 itemprop="name">bada</span></a></span><time datetime="2025-03-09T07:05:00Z"></time>
 <div class="post" itemprop="text"><aside class="quote">late</aside><p>Mine came broken.</p></div>
</div></html>"""

GNUBOARD = """<html lang="ko"><article id="bo_v"><header><h2 id="bo_v_title"><span
 class="bo_v_tit">또 늦네요</span></h2></header><section id="bo_v_info"><span class="sv_member">김하늘
 </span><strong class="if_date"><span class="sound_only">작성일</span> 25-03-09 15:20</strong>
 조회 31</section><section id="bo_v_atc"><div id="bo_v_con"><p>택배가 또 늦어요.</p></div></section>
 </article><section id="bo_vc"><article id="c_1202"><header><span class="sv_guest">이바다</span>
 <span class="bo_vc_hdinfo"><time datetime="2025-03-09T16:05:00+09:00">25-03-09 16:05</time></span>
 </header><div class="cmt_contents"><p>저는 깨져서 왔어요.</p><textarea>저는</textarea></div></article>
 </section></html>"""

RHYMIX = """<html lang="ko"><div class="board_read"><h1 class="title">또 늦네요</h1>
 <a href="#popup" class="member_31 nick">김하늘</a> <span class="date">2025.03.09 15:20</span>
 <div class="read_body"><div class="document_1201_31 rhymix_content xe_content"><p>택배가 또 늦어요.
 2024.01.01 부터요.</p></div></div></div>
 <ul class="fdb"><li class="fdb_itm"><a class="member_32">이바다</a><span class="date">2025.03.09
 16:05</span><div class="comment_1202_32 rhymix_content xe_content">저는 깨져서 왔어요.</div></li>
 </ul></html>"""

CAFE24 = """<html lang="ko"><div class="xans-element- xans-board xans-board-read-4 xans-board-read">
 <h3 class="subject">또 늦네요</h3><ul><li>작성자 <span class="writer">김**</span></li><li>작성일
 <span class="date">2025-03-09 15:20:00</span></li><li>평점 <span class="point"><img
 src="/star2.svg" alt="2점"></span></li></ul><div class="detail"><div class="fr-view">
 <p>택배가 또 늦어요.</p></div></div></div>
 <div class="xans-element- xans-board xans-board-commentlist-4"><ul><li class="xans-record-">
 <strong class="name">이바다</strong><span class="date">2025-03-09 16:05:00</span><p class="comment">
 <span id="comment_contents1202">저는 깨져서 왔어요.</span></p></li></ul></div></html>"""

OWN_KO = """<html lang="ko"><h1>또 늦네요</h1><ul class="list">
 <li class="reply"><span class="nick">김하늘</span><em>3시간 전</em><div><p>택배가 또 늦어요.</p></div>
 <button>신고</button></li>
 <li class="reply"><span class="nick">이바다</span><em>어제</em><div><p>저는 깨져서 왔어요.</p></div>
 <button>신고</button></li></ul>
 <ul class="best"><li><a href="/1">오늘의 인기 글 하나입니다</a> 03-10</li>
 <li><a href="/2">오늘의 인기 글 둘입니다</a> 03-10</li></ul></html>"""

OWN_EN = """<html lang="en"><h1>Late again</h1><table><tr class="c"><td><b>haneul</b><br>
 <i>2 hours ago</i></td><td><div>My parcel is late again.</div></td></tr>
 <tr class="c"><td><b>bada</b><br><i>Mar 9, 2025, 4:05 pm</i></td><td><div>Mine came broken.</div>
 </td></tr></table></html>"""


def _thread(html: str) -> list[FoundItem]:
    root = parse(html)
    return read_thread(root, URL, NOW, zone_of(root))[0]


ENGLISH = ["My parcel is late again.", "Mine came broken."]
KOREAN = ["택배가 또 늦어요.", "저는 깨져서 왔어요."]


@pytest.mark.parametrize(
    ("html", "texts", "authors"),
    [
        (PHPBB, ENGLISH, ["haneul", "bada"]),
        (XENFORO, ENGLISH, ["haneul", "bada"]),
        (VBULLETIN, ENGLISH, ["haneul", "bada"]),
        (DISCOURSE, ENGLISH, ["haneul", "bada"]),
        (GNUBOARD, KOREAN, ["김하늘", "이바다"]),
        (RHYMIX, ["택배가 또 늦어요. 2024.01.01 부터요.", KOREAN[1]], ["김하늘", "이바다"]),
        (CAFE24, KOREAN, ["김**", "이바다"]),
        (OWN_KO, KOREAN, ["김하늘", "이바다"]),
        (OWN_EN, ENGLISH, ["haneul", "bada"]),
    ],
    ids="phpbb xenforo vbulletin discourse gnuboard rhymix cafe24 own-ko own-en".split(),
)
def test_posts_of_each_board(html: str, texts: list[str], authors: list[str]) -> None:
    posts = _thread(html)
    assert [shown(parse(post.text)) for post in posts] == texts  # no quotes, no signatures
    assert [post.author.name if post.author else None for post in posts] == authors
    assert [post.kind for post in posts] == [Kind.POST, Kind.COMMENT]
    assert posts[0].title in ("Late again", "또 늦네요")
    assert posts[1].title is None
    assert all(post.published_at is not None for post in posts)


@pytest.mark.parametrize(
    ("html", "first"),
    [
        (PHPBB, "2025-03-09T06:20"),
        (XENFORO, "2025-03-09T06:20"),
        (DISCOURSE, "2025-03-09T06:20"),
        (GNUBOARD, "2025-03-09T06:20"),
        (RHYMIX, "2025-03-09T06:20"),
        (CAFE24, "2025-03-09T06:20"),
        (OWN_KO, "2025-03-10T09:00"),
    ],
)
def test_times_are_those_of_the_place(html: str, first: str) -> None:
    at = _thread(html)[0].published_at
    assert at == datetime.fromisoformat(first).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("html", "ids"),
    [
        (PHPBB, ["phpbb:1201", "phpbb:1202"]),
        (XENFORO, ["xenforo:1201", "xenforo:1202"]),
        (VBULLETIN, ["vbulletin:1201", "vbulletin:1202"]),
        (DISCOURSE, [f"{URL}/1", f"{URL}/2"]),
        (GNUBOARD, [URL, "gnuboard:1202"]),
        (RHYMIX, ["document:1201", "comment:1202"]),
        (CAFE24, [URL, "cafe24:1202"]),
        (OWN_EN, [None, None]),
    ],
)
def test_ids_are_the_boards_own(html: str, ids: list[str | None]) -> None:
    assert [post.id for post in _thread(html)] == ids


def test_ids_that_are_made_stand_still_while_relative_dates_move() -> None:
    later = OWN_KO.replace("3시간 전", "5시간 전").replace("어제", "그저께")
    ids = [
        [post.identity(URL, ordinals) for post in _thread(html)]
        for html, ordinals in ((OWN_KO, Counter[str]()), (later, Counter[str]()))
    ]
    assert ids[0] == ids[1]
    assert all(derived for _, derived in ids[0])
    newer = OWN_KO.replace(
        '<ul class="list">',
        '<ul class="list"><li class="reply"><span class="nick">김하늘</span><em>방금 전</em><div>'
        "<p>드디어 왔네요.</p></div></li>",
    )
    ordinals: Counter[str] = Counter()
    assert [post.identity(URL, ordinals) for post in _thread(newer)][1:] == ids[0]


def test_a_rating_on_a_review_board_is_read() -> None:
    first = _thread(CAFE24)[0]
    assert (first.rating, first.rating_min, first.rating_max) == (2.0, 1.0, 5.0)


def test_replies_within_replies_are_posts_of_their_own() -> None:
    html = """<html lang="en"><div class="c"><span class="author">haneul</span><time
     datetime="2025-03-09T06:20Z"></time><p>Late again.</p><div class="c"><span class="author">bada
     </span><time datetime="2025-03-09T07:05Z"></time><p>Mine came broken.</p></div></div>
     <div class="c"><span class="author">sora</span><time datetime="2025-03-09T08:00Z"></time>
     <p>All fine here.</p></div></html>"""
    posts = _thread(html)
    assert [shown(parse(post.text)) for post in posts] == [
        "Late again.",
        "Mine came broken.",
        "All fine here.",
    ]
    assert [post.author.name for post in posts if post.author] == ["haneul", "bada", "sora"]


INDEXES = {
    "gnuboard": """<html lang="ko"><div id="bo_list"><table><tbody>
      <tr><td class="td_subject"><div class="bo_tit"><a href="/bbs/board.php?bo_table=f&wr_id=11">또
       늦네요 <span class="cnt_cmt">3</span></a></div></td><td><span class="sv_member">김하늘</span></td>
       <td class="td_datetime">15:20</td></tr>
      <tr><td class="td_subject"><div class="bo_tit"><a href="/bbs/board.php?bo_table=f&wr_id=10">깨져서
       왔어요</a></div></td><td><span class="sv_member">이바다</span></td><td>03-09</td></tr></tbody>
      </table></div>""",
    "rhymix": """<html lang="ko"><table><tr><td class="title"><a href="/f/11?document_srl=11">또 늦네요
      </a></td><td><a class="member_3 author">김하늘</a></td><td>2025.03.10</td></tr><tr>
      <td class="title"><a href="/f/10?document_srl=10">깨져서 왔어요</a></td><td>2025.03.09</td></tr>
      </table>""",
    "cafe24": """<html lang="ko"><table class="xans-element- xans-board xans-board-listpackage-4"><tbody>
      <tr class="xans-record-"><td>2</td><td class="subject"><a href="/article/review/4/11/">또 늦네요
      </a></td><td>김**</td><td class="txtLess">2025-03-10</td></tr><tr class="xans-record-"><td>1</td>
      <td class="subject"><a href="/article/review/4/10/">깨져서 왔어요</a></td><td>이**</td>
      <td>2025-03-09</td></tr></tbody></table>""",
    "phpbb": """<html lang="en"><ul class="topiclist topics"><li class="row bg1"><a class="topictitle"
      href="./viewtopic.php?t=11">Late again</a> by <a class="username">haneul</a> » Mon Mar 10, 2025
      6:20 am</li><li class="row bg2"><a class="topictitle" href="./viewtopic.php?t=10">Broken</a></li>
      </ul>""",
    "xenforo": """<html id="XF"><div class="structItem structItem--thread"><div class="structItem-title">
      <a href="/threads/late.11/">Late again</a></div><time datetime="2025-03-10T06:20:00Z"></time></div>
      <div class="structItem structItem--thread"><div class="structItem-title">
      <a href="/threads/broken.10/">Broken</a></div></div>""",
    "own": """<html lang="ko"><nav><a href="/a">게시판 목록으로 갑니다</a></nav><div class="rows">
      <div class="row"><a href="/v/11">또 늦네요 정말</a><span>15:20</span></div>
      <div class="row"><a href="/v/10">깨져서 왔어요 환불</a><span>03-09</span></div>
      <div class="row"><a href="/v/9">잘 받았어요 감사</a><span>03-08</span></div></div>""",
}


@pytest.mark.parametrize("board", INDEXES)
def test_lists_of_threads(board: str) -> None:
    root = parse(INDEXES[board])
    rows = read_index(root, "https://board.example/list", NOW, zone_of(root))
    assert len(rows) == (3 if board == "own" else 2)
    assert "11" in rows[0].url
    assert "10" in rows[1].url
    first = rows[0].item
    assert first is not None
    assert (first.title or "").startswith(("또 늦네요", "Late again"))
    if board != "xenforo":
        assert first.published_at is not None


def test_a_line_is_marked_by_what_it_says_apart_from_clocks_and_views() -> None:
    page = INDEXES["gnuboard"].replace("15:20", "3분 전 조회 31")
    root, later = parse(page), parse(page.replace("3분 전 조회 31", "9분 전 조회 99"))
    answered = parse(page.replace('cnt_cmt">3', 'cnt_cmt">4'))
    marks = [read_index(r, URL, NOW, UTC)[0].mark for r in (root, later, answered)]
    assert marks[0] == marks[1] != marks[2]


@pytest.mark.parametrize("html", ["", "<", "<html><body><p>Just a text.</p></body></html>", "\x00"])
def test_what_is_no_board(html: str) -> None:
    root = parse(html)
    assert read_thread(root, URL, NOW, UTC) == ([], False)
    assert read_index(root, URL, NOW, UTC) == []


def test_days_are_days() -> None:
    html = OWN_EN.replace("2 hours ago", "2025-03-09").replace(", 4:05 pm", "")
    assert {post.precision for post in _thread(html)} == {Precision.DAY}
