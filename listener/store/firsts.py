"""Who was first: the earliest mention of each story, and of each author on each day, of a brand.

Stories and authors are counted at their first mention, so that the counts of buckets may be summed.
Of copies by the hundred only the first of each kind that is counted differently is read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    FromClause,
    Text,
    cast,
    column,
    func,
    select,
    text,
    tuple_,
    type_coerce,
)
from sqlalchemy.orm import Session

from listener.store import buckets
from listener.store.buckets import STEP_US, Counted, Mark, start_us
from listener.store.tables import MatchRow, MentionRow, MentionStoryRow, ReadingRow
from listener.store.upsert import among, chunks, table_of

DAY_US: Final = 86_400_000_000

_EVENT_US = type_coerce(MatchRow.event_at, BigInteger)
# Without the addition SQLite would walk through all matches of the brand for each key.
_BRAND = MatchRow.brand_id + 0


class Key(NamedTuple):
    """A story of a brand (``day_us`` 0), or an author on the day (UTC) that begins then."""

    brand_id: int
    id: int
    day_us: int = 0


class Outside(NamedTuple):
    """The first mentions of stories, and of authors on their days, outside of some buckets: one of
    each kind that is counted differently. Of these only the time, the story or author, and what
    they are counted as are told.
    """

    stories: Sequence[Counted] = ()
    authors: Sequence[Counted] = ()


def story_of(mention: Counted) -> Key | None:
    """What a mention is counted as where stories are; None = by itself."""
    return None if mention.story_id is None else Key(mention.brand_id, mention.story_id)


def author_of(mention: Counted) -> Key | None:
    """What a mention is counted as where authors are; None = by itself."""
    if mention.author_id is None:
        return None
    return Key(mention.brand_id, mention.author_id, mention.event_us // DAY_US * DAY_US)


def outside(session: Session, found: Iterable[Counted], marks: Sequence[Mark]) -> Outside:
    """Of all stories and authors in ``found``, which are the mentions in the buckets ``marks``, the
    first mentions in other buckets.
    """
    stories: set[Key] = set()
    authors: set[Key] = set()
    for mention in found:
        if (story := story_of(mention)) is not None:
            stories.add(story)
        if (author := author_of(mention)) is not None:
            authors.add(author)
    mark = buckets.these(session, marks)
    start = _EVENT_US - (_EVENT_US % STEP_US + STEP_US) % STEP_US  # right before 1970, too
    other = tuple_(MatchRow.brand_id, start).not_in(select(mark.c.brand_id, mark.c.at))
    return Outside(
        list(_of_stories(session, stories, other)), list(_of_authors(session, authors, other))
    )


def marks_around(session: Session, mention_ids: Collection[int]) -> set[Mark]:
    """The buckets that may count a story or author as new once these mentions change or go: call it
    before they do.
    """
    marks: set[Mark] = set()
    for some in chunks(sorted(mention_ids)):
        stories: set[Key] = set()
        authors: set[Key] = set()
        for brand_id, event_us, author_id, story_id in session.execute(
            select(MatchRow.brand_id, _EVENT_US, MentionRow.author_id, MentionStoryRow.story_id)
            .join(MentionRow, MentionRow.id == MatchRow.mention_id)
            .outerjoin(MentionStoryRow, MentionStoryRow.mention_id == MatchRow.mention_id)
            .where(among(session, MatchRow.mention_id, some))
        ):
            if story_id is not None:
                stories.add(Key(brand_id, story_id))
            if author_id is not None:
                authors.add(Key(brand_id, author_id, event_us // DAY_US * DAY_US))
        others = ~among(session, MatchRow.mention_id, some)
        firsts = (
            *_of_stories(session, stories, others),
            *_of_authors(session, authors, others),
        )
        marks |= {(first.brand_id, start_us(first.event_us)) for first in firsts}
    return marks


def _of_stories(
    session: Session, keys: Collection[Key], where: ColumnElement[bool]
) -> Iterator[Counted]:
    if not keys:
        return
    wanted = _wanted(session, keys)
    copy = table_of(MentionStoryRow).alias("copy")
    copies = wanted.join(copy, copy.c.story_id == wanted.c.id).join(
        table_of(MatchRow),
        (MatchRow.mention_id == copy.c.mention_id) & (wanted.c.brand_id == _BRAND),
    )
    for (id_, _), first in _firsts(session, copies, wanted, where):
        yield first._replace(story_id=id_)


def _of_authors(
    session: Session, keys: Collection[Key], where: ColumnElement[bool]
) -> Iterator[Counted]:
    if not keys:
        return
    wanted = _wanted(session, keys)
    wrote = table_of(MentionRow).alias("wrote")
    at_us = type_coerce(wrote.c.event_at, BigInteger)
    posts = wanted.join(
        wrote,
        (wrote.c.author_id == wanted.c.id)
        & (at_us >= wanted.c.day_us)
        & (at_us < wanted.c.day_us + DAY_US),
    ).join(
        table_of(MatchRow),
        (MatchRow.mention_id == wrote.c.id) & (wanted.c.brand_id == _BRAND),
    )
    for (id_, _), first in _firsts(session, posts, wanted, where):
        yield first._replace(author_id=id_)


# By place in Counted: who, when and how much do not tell what a mention is counted as.
_WHO = frozenset({"event_us", "mention_id", "author_id", "story_id", "score"})


def _firsts(
    session: Session, source: FromClause, wanted: CTE, where: ColumnElement[bool]
) -> Iterator[tuple[tuple[int, int], Counted]]:
    """The earliest of each key and kind, with its key's id and day."""
    each = (
        buckets._counted(session, source)
        .add_columns(cast(ReadingRow.topics, Text), cast(ReadingRow.tags, Text))
        .where(where)
    )
    names = [name if name not in _WHO else None for name in Counted._fields]
    columns = list(each.selected_columns)
    kind = [
        column_.label(f"of_{name}")
        for name, column_ in zip(names, columns, strict=True)
        if name is not None
    ]
    inner = each.with_only_columns(
        wanted.c.id.label("key_id"),
        wanted.c.day_us.label("key_day_us"),
        columns[Counted._fields.index("event_us")].label("event_us"),
        *kind,
    ).subquery("each")
    keys = [inner.c.key_id, inner.c.key_day_us]
    kinds = [inner.c[f"of_{name}"] for name in names if name is not None]
    rows = session.execute(
        select(func.min(inner.c.event_us), *keys, *kinds).group_by(*keys, *kinds)
    )
    told = [name for name in names if name is not None]
    for event_us, key_id, day_us, *values in rows:
        given: dict[str, Any] = dict(zip(told, values, strict=True))
        for name in ("topics", "tags"):
            given[name] = orjson.loads(given[name]) if given[name] else ()
        yield (
            (key_id, day_us),
            Counted(
                event_us=event_us,
                mention_id=0,
                author_id=None,
                story_id=None,
                score=None,
                **given,
            ),
        )


def _wanted(session: Session, keys: Collection[Key]) -> CTE:
    """Keys as a table to join with."""
    columns = (
        column("brand_id", BigInteger),
        column("id", BigInteger),
        column("day_us", BigInteger),
    )
    listed = sorted(keys)
    if session.get_bind().dialect.name == "sqlite":
        query = text(
            "SELECT json_extract(value, '$[0]') AS brand_id, json_extract(value, '$[1]') AS id,"
            " json_extract(value, '$[2]') AS day_us FROM json_each(:wanted)"
        ).bindparams(wanted=orjson.dumps([list(key) for key in listed]).decode())
    else:
        brand_ids, ids, days = zip(*listed, strict=True)
        query = text(
            "SELECT brand_id, id, day_us FROM unnest(CAST(:wanted_brands AS int8[]),"
            " CAST(:wanted_ids AS int8[]), CAST(:wanted_days AS int8[]))"
            " AS wanted(brand_id, id, day_us)"
        ).bindparams(wanted_brands=list(brand_ids), wanted_ids=list(ids), wanted_days=list(days))
    return query.columns(*columns).cte("wanted")
