"""Threads and lists of threads on any board: repeated blocks with an author, a date and a text.

Pure. Boards that many sites run are known by their markup; on all others the blocks are found by
what repeats on the page.
"""

from __future__ import annotations

import copy
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from statistics import median
from typing import Any

from listener.collect.dates import NOTHING
from listener.types import Kind, RawAuthor
from spiders.platforms.fields import read_rating
from spiders.platforms.found import (
    FoundItem,
    Row,
    author_of,
    date_of,
    markup,
    page_link,
    same_site,
    shown,
    size,
)

# What others said, or what stands below every post, is none of the post.
_NOT_SAID = (
    ".quote, .bbcode_quote, .bbCodeBlock--quote, .quotetitle, blockquote.uncited, blockquote[cite],"
    " blockquote[data-author], aside.quote, .signature, .message-signature, .notice.lastedited,"
    " .message-lastEdit, .sound_only, script, style, form, textarea"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """Where a board keeps things, as CSS below ``post``. ``mark`` hits only on such a board."""

    name: str
    mark: str
    post: str
    author: str
    date: str
    text: str
    id: str = ""  # a pattern for the post's id attributes; group 1 is the number
    title: str = ""  # on the page, for the first post
    rating: str = ""
    row: str = ""  # one line of a list of threads
    link: str = ""  # below row
    first: Board | None = field(default=None, repr=False)  # where the first post looks different


_BOARDS = (
    Board(
        name="phpBB",
        mark="#phpbb, body[id=phpbb], .postbody .content, a.topictitle",
        post="div.post",
        author=".author .username, .author .username-coloured, .postprofile .username,"
        " .postprofile .username-coloured",
        date=".author time, p.author",
        text=".content",
        id=r"p(\d+)\Z",
        title="h2.topic-title, .topic-title",
        row="li.row, tr.row1, tr.row2",
        link="a.topictitle",
    ),
    Board(
        name="XenForo",
        mark="html#XF, html#XenForo, article.message, .structItem--thread",
        post="article.message--post, article.message[data-content], li.message[data-author]",
        author=".message-name, .username, .messageUserInfo .username",
        date=".message-attribution time, time[datetime], .DateTime",
        text=".message-body .bbWrapper, .messageText",
        id=r"(?:js-)?post-(\d+)\Z",
        title="h1.p-title-value, .titleBar h1",
        row=".structItem--thread, li.discussionListItem",
        link=".structItem-title a[href*='threads/'], h3.title a[href*='threads/']",
    ),
    Board(
        name="vBulletin",
        mark="li.postbit, li.postbitlegacy, li.b-post, table[id^=post], .threadbit",
        post="li.postbit, li.postbitlegacy, li.b-post, table.tborder[id^=post]",
        author=".username, .bigusername, .author a, .b-userinfo__details .author",
        date=".postdate, .date, time[datetime], td.thead",
        text="blockquote.postcontent, .postcontent, [id^=post_message_], .js-post__content-text",
        id=r"post_?(\d+)\Z",
        title=".threadtitle, h1.main-title, .js-main-title",
        row="li.threadbit, tr[id^=thread_], tr.topic-item",
        link="a[id^=thread_title_], a.title, a.topic-title",
    ),
    Board(
        name="Discourse",
        mark="meta[name=generator][content^=Discourse], .crawler-post, .topic-list-item",
        post=".crawler-post",
        author=".creator [itemprop=name], .creator a",
        date="time[datetime]",
        text=".post[itemprop], .post",
        id=r"post_(\d+)\Z",
        title="#topic-title h1, h1",
        row="tr.topic-list-item, .topic-list tr",
        link="a.title, a.raw-topic-link",
    ),
    Board(
        name="gnuboard",
        mark="#bo_v, #bo_list, #bo_vc, #bo_gall",
        post="#bo_vc article, #bo_vc .cmt_wr, #bo_vc [id^=c_]",
        author=".sv_member, .sv_guest, .member, .cmt_nick",
        date="time, .bo_vc_hdinfo, .datetime, [class*=date]",
        text=".cmt_contents, .cmt_con, .cmt_textbox",
        id=r"c_(\d+)\Z",
        title="#bo_v_title .bo_v_tit, #bo_v_title",
        row="#bo_list tbody tr, #bo_list li, #bo_gall li",
        link=".bo_tit a, .td_subject a[href*=wr_id], a.bo_tit, .gall_text_href a",
        first=Board(
            name="gnuboard",
            mark="",
            post="#bo_v",
            author="#bo_v_info .sv_member, #bo_v_info .sv_guest, #bo_v_info .member",
            date="#bo_v_info .if_date, #bo_v_info time, #bo_v_info [class*=date],"
            " #bo_v_info strong:last-of-type",
            text="#bo_v_con",
        ),
    ),
    Board(
        name="cafe24",
        mark=".xans-board-read, .xans-product-review, [class*=xans-board-list],"
        " [class*=xans-board-commentlist]",
        post="[class*=xans-board-commentlist] li.xans-record-,"
        " [class*=xans-board-commentlist] > li, [class*=commentlist] .xans-record-",
        author=".name, .writer, .commentTop .name, strong",
        date=".date, .commentTop .date",
        text=".comment, .commentDescription, [id^=comment_contents]",
        id=r"comment_contents(\d+)",
        title=".xans-board-read .subject, .xans-board-read h3, .xans-board-read tr:first-child td",
        row="[class*=xans-board-list] tr.xans-record-, [class*=xans-board-list] tbody tr,"
        " .xans-product-review tr.xans-record-, [class*=xans-board-list] li.xans-record-",
        link=".subject a, td.subject a, a[href*='/article/'], a[href*='read.html']",
        first=Board(
            name="cafe24",
            mark="",
            post=".xans-board-read",
            author=".writer, .name, td.writer",
            date=".date, td.date, .date .txtNum",
            text=".detail .fr-view, .detail, .fr-view, .view",
            rating=".grade, .point, .rating, img[src*=star], img[alt*='점']",
        ),
    ),
)
# The core of XE and Rhymix marks contents so, whatever skin shows them:
# class="document_17_4 rhymix_content xe_content", and a member's name class="member_4".
_XE = re.compile(r"(?:^|\s)(document|comment)_(\d+)_-?\d+")
_XE_ROWS = "td.title a[href], .title > a[href], a.hx, .li_lnk a"

_TIME_LIKE = re.compile(
    r"\d{4}\D{1,3}\d{1,2}\D{1,3}\d{1,2}|\d{2}[-./]\d{2}[-./]\d{2}|\d{1,2}:\d{2}"
    r"|\d\s*(?:초|분|시간|일|주|개월|년)\s?전|\bago\b|어제|그저께|방금|yesterday|just now"
    r"|\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.? \d|\A\d{2}[-.]\d{2}\Z",
    re.IGNORECASE,
)
_MOVING = re.compile(
    r"\d+\s*(?:초|분|시간|일|주|개월|년)\s?전|방금 전?|\d+ \w+ ago|조회\s*:?\s*[\d,]+"
)
_AUTHOR_NAME = re.compile(
    r"author|user|nick|writer|member|poster|profile|byline|작성자|글쓴이|(?:^|[\s_-])name", re.I
)
_TITLE_NAME = re.compile(r"title|subject|headline|제목", re.I)
_BLOCKS = frozenset({"li", "div", "article", "tr", "dl", "section", "table", "tbody", "dd", "td"})
_SHORTEST = 4  # characters of a post that is one
_LEVELS = 8  # how far above its date a block is looked for


def read_thread(root: Any, url: str, now: datetime, zone: tzinfo) -> tuple[list[FoundItem], bool]:
    """The posts of a thread page, the first one first, and whether a known board wrote it.

    The first post of a page is a POST with the page's title, the others are COMMENTs. Empty where
    the page is no thread.
    """
    for board in _boards(root):
        posts = _board_posts(root, board, url, now, zone)
        if posts:
            return _as_thread(posts, _page_title(root, board.title)), True
    posts = _xe_posts(root, url, now, zone)
    if posts:
        return _as_thread(posts, _page_title(root, "")), True
    found = _generic_posts(root, url, now, zone)
    return (_as_thread(found, _page_title(root, "")), False) if found else ([], False)


def read_index(root: Any, url: str, now: datetime, zone: tzinfo) -> list[Row]:
    """The threads that a list page links to, in its order; empty where the page is no list."""
    for board in _boards(root):
        nodes = root.cssselect(board.row) if board.row else []
        rows = [row for node in nodes if (row := _row(node, board.link, url, now, zone))]
        if rows:
            return _distinct(rows)
    is_xe = root.cssselect(
        "[class*=xe_content], meta[content*='XpressEngine'], a[href*=document_srl]"
    )
    if is_xe:
        nodes = [node for node in root.iter("tr", "li") if node.cssselect(_XE_ROWS)]
        rows = [row for node in nodes if (row := _row(node, _XE_ROWS, url, now, zone))]
        if len(rows) > 1:
            return _distinct(rows)
    return _distinct(_generic_rows(root, url, now, zone))


def _boards(root: Any) -> Iterator[Board]:
    for board in _BOARDS:
        if root.cssselect(board.mark):
            yield board


# --- known boards --------------------------------------------------------------------------------


def _board_posts(root: Any, board: Board, url: str, now: datetime, zone: tzinfo) -> list[FoundItem]:
    posts: list[FoundItem] = []
    if board.first is not None:
        opening = root.cssselect(board.first.post)[:1]
        posts += [p for node in opening if (p := _board_post(node, board.first, url, now, zone))]
        posts = [replace(post, id=url.partition("#")[0], url=url) for post in posts]
    taken: list[Any] = []
    for node in root.cssselect(board.post):
        if any(ancestor in taken for ancestor in node.iterancestors()):
            continue  # a wrapper was taken already; replies beside each other have none
        post = _board_post(node, board, url, now, zone)
        if post is not None:
            taken.append(node)
            posts.append(post)
    return posts


def _board_post(node: Any, board: Board, url: str, now: datetime, zone: tzinfo) -> FoundItem | None:
    body = next(iter(node.cssselect(board.text)), None)
    if body is None or not shown(body):
        return None
    author = next((one for one in node.cssselect(board.author) if shown(one)), None)
    dated, stands = NOTHING, False
    for place in node.cssselect(board.date):
        dated, stands = date_of(place, now, zone)
        if dated[0] is not None:
            break
    number = _number(node, board.id) if board.id else None
    rating = next(iter(node.cssselect(board.rating)), None) if board.rating else None
    value, low, high = read_rating(rating) if rating is not None else (None, None, None)
    named = author_of(author, url) if author is not None else None
    return FoundItem(
        text=markup(body, _NOT_SAID),
        author=named or _data_author(node),
        published_at=dated[0],
        precision=dated[1],
        stands=stands,
        rating=value,
        rating_min=low,
        rating_max=high,
        url=f"{url.partition('#')[0]}#{number[0]}" if number else None,
        id=_post_id(board, number, url),
    )


def _post_id(board: Board, number: tuple[str, str] | None, url: str) -> str | None:
    if number is None:
        return None
    if board.name == "Discourse":  # it counts posts within their topic
        return f"{url.partition('?')[0].rstrip('/')}/{number[1]}"
    return f"{board.name.lower()}:{number[1]}"


def _number(node: Any, pattern: str) -> tuple[str, str] | None:
    """The id attribute that tells a post from all others of the site, and its number."""
    for one in [node, *node.iterdescendants()]:
        if not isinstance(one.tag, str):
            continue
        for name in ("id", "data-content"):
            value = one.get(name) or ""
            found = re.match(pattern, value)
            if found:
                return value, found[1]
    return None


def _data_author(node: Any) -> RawAuthor | None:
    name = (node.get("data-author") or "").strip()
    return RawAuthor(native_id=name, name=name) if name else None


def _xe_posts(root: Any, url: str, now: datetime, zone: tzinfo) -> list[FoundItem]:
    bodies = []
    for node in root.cssselect("[class*=document_], [class*=comment_]"):
        found = _XE.search(node.get("class") or "")
        if found and shown(node):
            bodies.append((node, found[1], found[2]))
    posts = []
    others = {id(node) for node, _, _ in bodies}
    for body, what, number in bodies:
        around = _around(body, others)
        author = next(
            iter(around.cssselect("[class*=member_], .nickname, .author, .nick_name")), None
        )
        dated, stands = _date_beside(around, body, now, zone)
        link = url.partition("#")[0]
        posts.append(
            FoundItem(
                text=markup(body, _NOT_SAID),
                author=author_of(author, url) if author is not None else None,
                published_at=dated[0],
                precision=dated[1],
                stands=stands,
                url=link if what == "document" else f"{link}#comment_{number}",
                id=f"{what}:{number}",
            )
        )
    return posts


def _around(body: Any, others: set[int]) -> Any:
    """The largest block around a body that holds no other body."""
    block = body
    for ancestor in body.iterancestors():
        if any(id(node) in others and node is not body for node in ancestor.iterdescendants()):
            break
        block = ancestor
        if ancestor.tag in ("body", "html"):
            break
    return block


def _date_beside(
    block: Any, body: Any, now: datetime, zone: tzinfo
) -> tuple[tuple[datetime | None, Any], bool]:
    """The first date of a block outside of its body: the text may well speak of days."""
    inside = {id(node) for node in body.iter()}
    for node in _dates(block):
        if id(node) not in inside:
            dated, stands = date_of(node, now, zone)
            if dated[0] is not None:
                return dated, stands
    return NOTHING, False


# --- any board -----------------------------------------------------------------------------------


def _dates(root: Any) -> Iterator[Any]:
    """The elements that show a date and little else."""
    for node in root.iter():
        if not isinstance(node.tag, str) or node.tag in ("script", "style", "html", "body"):
            continue
        if node.tag == "time":
            yield node
            continue
        text = (node.text or "").strip()
        if not text and len(node):
            text = (node[-1].tail or "").strip()  # <i class="icon"></i> 15:20
        if 1 < len(text) <= 60 and _TIME_LIKE.search(text):
            yield node


def _groups(root: Any) -> Iterator[list[Any]]:
    """Sets of alike blocks with a date in each."""
    groups: dict[tuple[str, str], dict[int, Any]] = defaultdict(dict)
    for date in _dates(root):
        levels = [node for node in (date, *date.iterancestors())][: _LEVELS + 1]
        for node in levels:
            if node.tag in _BLOCKS:
                classes = (node.get("class") or "").split()
                place = "" if classes else str(id(node.getparent()))
                key = (node.tag, classes[0] if classes else place)
                groups[key][id(node)] = node
    for members in groups.values():
        if len(members) > 1:
            yield list(members.values())


def _generic_posts(root: Any, url: str, now: datetime, zone: tzinfo) -> list[FoundItem]:
    best: list[FoundItem] = []
    score = 0.0
    for members in _groups(root):
        held = {id(node) for node in members}
        posts = [p for node in members if (p := _post(node, held, url, now, zone))]
        lengths = [len(_plain(post)) for post in posts]
        # Lists of links have dates too, but no text beside the links; news have no authors.
        if len(posts) < 2 or median(lengths) < _SHORTEST:
            continue
        if sum(post.author is not None for post in posts) * 2 < len(posts):
            continue
        total = float(sum(min(length, 2_000) for length in lengths))
        if total > score:
            best, score = posts, total
    return best


def _post(node: Any, members: set[int], url: str, now: datetime, zone: tzinfo) -> FoundItem | None:
    """One block of many as a post; blocks of its kind inside of it are replies of their own."""
    date = next((one for one in _dates(node) if not _is_inside(one, node, members)), None)
    if date is None:
        return None
    dated, stands = date_of(date, now, zone)
    if dated[0] is None:
        return None
    author = _author_node(node, date, members)
    body = _body(node, date, author, members)
    length = size(body) if body is not None else 0
    # A line of a list leads somewhere with its words; a post says something itself.
    if length < _SHORTEST or sum(map(size, body.iter("a"))) > 0.7 * length:
        return None
    names = [node.get("id") or "", *(a.get("id") or a.get("name") or "" for a in node.iter("a"))]
    name = next((one for one in names if re.search(r"\d{3,}", one)), None)
    return FoundItem(
        text=markup(body, _NOT_SAID),
        author=author_of(author, url) if author is not None else None,
        published_at=dated[0],
        precision=dated[1],
        stands=stands,
        url=f"{url.partition('#')[0]}#{name}" if name else None,
        id=f"{url.partition('?')[0]}#{name}" if name else None,
    )


def _is_inside(node: Any, block: Any, members: set[int]) -> bool:
    """Whether a node belongs to another member inside of a block."""
    for ancestor in node.iterancestors():
        if ancestor is block:
            return False
        if id(ancestor) in members:
            return True
    return False


def _author_node(block: Any, date: Any, members: set[int]) -> Any:
    named = None
    for node in block.iterdescendants():
        if not isinstance(node.tag, str) or node is date or _is_inside(node, block, members):
            continue
        told = " ".join(node.get(name) or "" for name in ("class", "itemprop", "rel", "data-type"))
        is_named = bool(_AUTHOR_NAME.search(told)) and 0 < size(node) <= 40
        if is_named and not _TIME_LIKE.search(shown(node)):
            named = node  # the innermost of a chain is the name itself
            if not len(node) or node.tag == "a":
                return node
        elif named is not None and node not in list(named.iterdescendants()):
            return named
    if named is not None:
        return named
    for node in block.iter("a", "strong", "b", "cite"):
        if node is date or _is_inside(node, block, members):
            continue
        text = shown(node)
        if 1 < len(text) <= 30 and not re.search(
            r"\d{2}|답글|신고|추천|reply|report|like", text, re.I
        ):
            return node
    return None


def _body(block: Any, date: Any, author: Any, members: set[int]) -> Any:
    """What is left of a block without its head: the smallest element with most of its text."""
    date.set("data-head", "1")
    if author is not None:
        author.set("data-head", "1")
    inner = [node for node in block.iterdescendants() if id(node) in members]
    for node in inner:
        node.set("data-other", "1")
    kept = copy.deepcopy(block)
    kept.tail = None
    for node in (date, author, *inner):
        if node is not None:
            node.attrib.pop("data-head", None)
            node.attrib.pop("data-other", None)
    drop = "[data-head], [data-other], script, style, form, button, nav, select, textarea"
    for node in kept.cssselect(drop):
        if node is not kept and node.getparent() is not None:
            node.drop_tree()
    whole = size(kept)
    if not whole:
        return None
    body = kept
    while True:
        child = next((one for one in body if _share(one, whole) >= 0.7), None)
        if child is None:
            return body
        body = child


def _share(node: Any, whole: float) -> float:
    if not isinstance(node.tag, str) or node.tag in ("a", "p", "span", "b", "strong"):
        return 0.0  # a body is a block
    return float(size(node)) / whole


# --- lists ---------------------------------------------------------------------------------------


def _row(node: Any, link: str, url: str, now: datetime, zone: tzinfo) -> Row | None:
    anchors = [one for one in node.cssselect(link) if one.get("href") and shown(one)]
    if not anchors:
        return None
    target = page_link(url, anchors[0].get("href"))
    if target is None or not same_site(target, url):
        return None
    dated, stands = NOTHING, False
    for date in _dates(node):
        dated, stands = date_of(date, now, zone)
        if dated[0] is not None:
            break
    author = _author_node(node, None, set())
    if author is not None and (
        author is anchors[0] or _TITLE_NAME.search(author.get("class") or "")
    ):
        author = None
    item = FoundItem(
        text="",
        title=shown(anchors[0])[:500],
        author=author_of(author, url) if author is not None else None,
        published_at=dated[0],
        precision=dated[1],
        stands=stands,
    )
    mark = _MOVING.sub("", shown(node))[:300]
    return Row(url=target, mark=mark, item=item)


def _generic_rows(root: Any, url: str, now: datetime, zone: tzinfo) -> list[Row]:
    """The largest set of alike blocks that each lead somewhere with most of their words."""
    best: list[Row] = []
    score = 0
    for members in (*_groups(root), *_link_groups(root)):
        rows = []
        for node in members:
            anchors = [a for a in node.iter("a") if a.get("href") and size(a) >= _SHORTEST]
            if not anchors:
                continue
            anchor = max(anchors, key=size)
            anchor.set("data-row", "1")
            row = _row(node, "a[data-row]", url, now, zone)
            anchor.attrib.pop("data-row")
            if row is not None and row.item is not None:
                rows.append(row)
        rows = _distinct(rows)
        total = sum(min(len(row.item.title or ""), 200) for row in rows if row.item)
        if len(rows) >= 3 and total / len(rows) >= 6 and total > score:
            best, score = rows, total
    return best


def _link_groups(root: Any) -> Iterator[list[Any]]:
    """Blocks around links that look alike, for lists that show no dates."""
    groups: dict[tuple[str, str], dict[int, Any]] = defaultdict(dict)
    for link in root.iter("a"):
        if not link.get("href") or size(link) < 8:
            continue
        if any(one.tag in ("nav", "footer", "header") for one in link.iterancestors()):
            continue
        for node in list(link.iterancestors())[:3]:
            if node.tag in _BLOCKS:
                classes = (node.get("class") or "").split()
                key = (node.tag, classes[0] if classes else str(id(node.getparent())))
                groups[key][id(node)] = node
    return (list(members.values()) for members in groups.values() if len(members) > 2)


# --- both ----------------------------------------------------------------------------------------


def _as_thread(posts: list[FoundItem], title: str | None) -> list[FoundItem]:
    first = replace(posts[0], title=posts[0].title or title)
    return [first, *(replace(post, kind=Kind.COMMENT, is_reply=True) for post in posts[1:])]


def _page_title(root: Any, places: str) -> str | None:
    for place in filter(None, (places, "h1", "title")):
        for node in root.cssselect(place):
            text = shown(node)
            if text:
                return text[:500]
    return None


def _distinct(rows: list[Row]) -> list[Row]:
    return list({row.url: row for row in reversed(rows)}.values())[::-1]


def _plain(post: FoundItem) -> str:
    return re.sub(r"<[^>]*>|\s+", " ", post.text).strip()
