"""A mention as it goes out: its shape, and the SQL that writes it as JSON.

The database writes the JSON. A page of 50 then costs 1.1 ms on SQLite where fetching columns and
putting objects together took 3 (measured 2026-11), and no interpreter lock is held meanwhile. What
needs objects parses that JSON, so that there is one description of an item and no second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from listener.store.screening import CLEARED
from listener.types import ChangeKind, Label, Sentiment

PERSON = "person"  # the model of a label that a person gave to what no model scores


@dataclass(frozen=True, slots=True)
class FoundSpan:
    """Where a term was found: [start, end) in characters of ``field`` ("title" or "text")."""

    field: str
    start: int
    end: int
    term: str


@dataclass(frozen=True, slots=True)
class BrandName:
    """A brand by id and name."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class BrandReading:
    """A brand that a mention belongs to, and what it says of that brand.

    ``corrected``: which of label, complaint and topics are what a person said.
    """

    id: int
    name: str
    sentiment: Sentiment | None
    complaint: bool | None
    topics: Sequence[str]
    tags: Sequence[str]
    corrected: Sequence[str]
    spans: Sequence[FoundSpan]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A mention as it is now; ``change`` is what happened to it last.

    ``seq`` and ``change`` are None for a mention that never belonged to a brand. ``generation`` and
    ``rules_version`` tell by which models and rules it was read, ``corrected`` which of label,
    complaint and topics are what a person said of it as a whole.
    """

    id: int
    seq: int | None
    change: str | None
    source: str
    namespace: str
    external_id: str
    kind: str
    url: str | None
    author: str | None
    title: str | None
    text: str
    language: str
    sentiment: Sentiment | None
    complaint: bool | None
    topics: Sequence[str]
    tags: Sequence[str]
    corrected: Sequence[str]
    generation: int
    rules_version: str
    flags: Sequence[str]
    rating: float | None
    rating_min: float | None
    rating_max: float | None
    published_at: datetime | None
    published_precision: str
    seen_at: datetime
    brands: Sequence[BrandReading]


@dataclass(frozen=True, slots=True)
class Left:
    """A mention that was in the filter and is no longer; ``brands`` are those it belongs to now."""

    id: int
    seq: int
    change: str
    brands: Sequence[BrandName]


@dataclass(frozen=True, slots=True)
class Deleted:
    """A mention that is gone, at its source or on demand."""

    id: int
    seq: int
    change: str


Change = Item | Left | Deleted


def parse(told: str | bytes) -> Change:
    """The object of an item's JSON."""
    data: dict[str, Any] = orjson.loads(told)
    if data["change"] == ChangeKind.DELETED:
        return Deleted(**data)
    if data["change"] == ChangeKind.LEFT:
        return Left(**data | {"brands": [BrandName(**brand) for brand in data["brands"]]})
    return parse_item(data)


def parse_item(data: dict[str, Any]) -> Item:
    """The Item of an item's JSON object."""
    published = data["published_at"]
    changed = {
        "sentiment": _sentiment(data["sentiment"]),
        "published_at": published and datetime.fromisoformat(published),
        "seen_at": datetime.fromisoformat(data["seen_at"]),
        "brands": [
            BrandReading(
                **brand
                | {
                    "sentiment": _sentiment(brand["sentiment"]),
                    "spans": [FoundSpan(**span) for span in brand["spans"]],
                }
            )
            for brand in data["brands"]
        ],
    }
    return Item(**data | changed)


def _sentiment(data: dict[str, Any] | None) -> Sentiment | None:
    return None if data is None else Sentiment(**data | {"label": Label(data["label"])})


# --- SQL -----------------------------------------------------------------------------------------


class Shape(NamedTuple):
    """What the SQL depends on: the database, whether names are shown, and the readings in force."""

    is_sqlite: bool
    names: bool
    generation: int
    models: tuple[tuple[str, str, str], ...]  # language, model, version
    rules_version: str


def item_sql(shape: Shape) -> str:
    """The expression that gives an Item as JSON text.

    It stands on ``mention``, its ``change`` and ``author``, and ``reading``: the one of the mention
    as a whole in force.
    """
    write = _Sqlite if shape.is_sqlite else _Postgresql
    text, word, number = write.text, write.word, write.number
    author = "author.pseudonym"
    if shape.names:
        author = "coalesce(nullif(author.name, ''), nullif(author.handle, ''), author.native_id)"
    # It left some other brand: for who still has it that is an edit.
    change = "CASE change.kind WHEN 'left' THEN 'edited' ELSE change.kind END"
    toward_brand = {
        "id": number("found.brand_id"),
        "name": text("(SELECT brand.name FROM brand WHERE brand.id = found.brand_id)"),
        "sentiment": _sentiment_sql(write, shape, "toward"),
        "complaint": write.boolean("toward.complaint"),
        "topics": write.json("toward.topics"),
        "tags": write.json("toward.tags"),
        "corrected": write.keys("toward.corrected"),
        "spans": write.spans("found.spans"),
    }
    return write.object(
        {
            "id": number("mention.id"),
            "seq": number("change.seq"),
            "change": word(change),
            "source": text("mention.source"),
            "namespace": text("mention.namespace"),
            "external_id": text("mention.external_id"),
            "kind": word("mention.kind"),
            "url": text("mention.url"),
            "author": text(author),
            "title": text("mention.title"),
            "text": text("mention.text"),
            "language": text("mention.language"),
            "sentiment": _sentiment_sql(write, shape, "reading"),
            "complaint": write.boolean("reading.complaint"),
            "topics": write.json("reading.topics"),
            "tags": write.json("reading.tags"),
            "corrected": write.keys("reading.corrected"),
            "generation": number(str(shape.generation)),
            "rules_version": word(_quoted(shape.rules_version)),
            "flags": write.flags(),
            "rating": number("mention.rating"),
            "rating_min": number("mention.rating_min"),
            "rating_max": number("mention.rating_max"),
            "published_at": write.time("mention.published_at"),
            "published_precision": word("mention.published_precision"),
            "seen_at": write.time("mention.seen_at"),
            "brands": write.brands(write.object(toward_brand), shape.generation),
        }
    )


def _sentiment_sql(write: type[_Sqlite] | type[_Postgresql], shape: Shape, reading: str) -> str:
    told = {
        "score": write.number(f"{reading}.score"),
        "label": write.word(f"{reading}.label"),
        "confidence": write.number(f"{reading}.confidence"),
        "model": write.text(_by_language(reading, {lang: name for lang, name, _ in shape.models})),
        "version": write.text(_by_language(reading, {lang: no for lang, _, no in shape.models})),
    }
    # A person may know what no model scores: the label is theirs then, and there is no score.
    by_person = {
        "score": "0",
        "label": write.word(f"{reading}.label"),
        "confidence": "1",
        "model": write.word(_quoted(PERSON)),
        "version": write.word("''"),
    }
    unscored = write.unless_null(f"{reading}.label", write.object(by_person))
    return write.unless_null(f"{reading}.score", write.object(told), otherwise=unscored)


def _by_language(reading: str, values: dict[str, str]) -> str:
    if not values:
        return "''"
    whens = " ".join(f"WHEN {_quoted(lang)} THEN {_quoted(v)}" for lang, v in values.items())
    return f"CASE {reading}.language {whens} ELSE '' END"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


# Read by the key (mention, kind), so they come in order.
_FLAGS = f"flag WHERE flag.mention_id = mention.id AND flag.kind <> '{CLEARED}'"
_PLACES = ("field", "start", "end", "term")


class _Sqlite:
    """JSON by SQLite's own functions (3.38 and later): they know what is text and what is JSON."""

    @staticmethod
    def object(fields: dict[str, str]) -> str:
        return f"json_object({', '.join(f'{_quoted(k)}, {v}' for k, v in fields.items())})"

    @staticmethod
    def text(value: str) -> str:
        return value

    word = number = text

    @staticmethod
    def boolean(column: str) -> str:
        return f"json(CASE {column} WHEN 1 THEN 'true' WHEN 0 THEN 'false' ELSE 'null' END)"

    @staticmethod
    def json(column: str) -> str:
        return f"json(coalesce({column}, '[]'))"

    @staticmethod
    def keys(column: str) -> str:
        every = f"SELECT json_group_array(key) FROM json_each({column})"  # noqa: S608 - ours
        return f"CASE WHEN {column} IS NULL THEN json('[]') ELSE ({every}) END"

    @staticmethod
    def unless_null(column: str, value: str, otherwise: str = "NULL") -> str:
        return f"CASE WHEN {column} IS NOT NULL THEN {value} ELSE {otherwise} END"

    @staticmethod
    def time(column: str) -> str:
        # The remainder has the sign of the number: times before 1970 need a second one.
        rest = f"(({column} % 1000000 + 1000000) % 1000000)"
        whole = f"strftime('%Y-%m-%dT%H:%M:%S', ({column} - {rest}) / 1000000, 'unixepoch')"
        return f"{whole} || CASE {rest} WHEN 0 THEN 'Z' ELSE printf('.%06dZ', {rest}) END"

    @classmethod
    def spans(cls, column: str) -> str:
        one = cls.object({key: f"json_extract(value, '$[{n}]')" for n, key in enumerate(_PLACES)})
        return f"(SELECT json_group_array({one}) FROM json_each({column}))"  # noqa: S608 - ours

    @staticmethod
    def flags() -> str:
        return f"(SELECT json_group_array(flag.kind) FROM {_FLAGS})"  # noqa: S608 - ours

    @staticmethod
    def brands(one: str, generation: int) -> str:
        # Read by the key (mention, brand), so they come in the order of brands.
        return f"""(
            SELECT json_group_array({one}) FROM "match" AS found
            LEFT JOIN reading AS toward ON toward.mention_id = found.mention_id
                AND toward.brand_id = found.brand_id AND toward.generation_id = {generation}
            WHERE found.mention_id = mention.id
        )"""  # noqa: S608 - columns of ours and a number


class _Postgresql:
    """JSON put together as text: PostgreSQL's JSON functions take a third longer for a page."""

    @staticmethod
    def object(fields: dict[str, str]) -> str:
        pairs = " || ',' || ".join(f"'\"{key}\":' || {value}" for key, value in fields.items())
        return f"'{{' || {pairs} || '}}'"

    @staticmethod
    def text(value: str) -> str:
        return f"coalesce(CAST(to_json({value}) AS text), 'null')"

    @staticmethod
    def word(value: str) -> str:
        """Text that needs no escaping: one of our own words."""
        return f"coalesce('\"' || {value} || '\"', 'null')"

    @staticmethod
    def number(value: str) -> str:
        return f"coalesce(CAST({value} AS text), 'null')"

    boolean = number

    @staticmethod
    def json(column: str) -> str:
        return f"coalesce(CAST({column} AS text), '[]')"

    @staticmethod
    def keys(column: str) -> str:
        every = f"SELECT json_agg(key ORDER BY key) FROM jsonb_object_keys({column}) AS key"  # noqa: S608 - ours
        return f"CASE WHEN {column} IS NULL THEN '[]' ELSE CAST(({every}) AS text) END"

    @staticmethod
    def unless_null(column: str, value: str, otherwise: str = "'null'") -> str:
        return f"CASE WHEN {column} IS NOT NULL THEN {value} ELSE {otherwise} END"

    @staticmethod
    def time(column: str) -> str:
        at = f"to_json(timestamp 'epoch' + {column} * interval '1 microsecond')"
        return f"coalesce(rtrim(CAST({at} AS text), '\"') || 'Z\"', 'null')"

    @classmethod
    def spans(cls, column: str) -> str:
        one = cls.object({key: f"CAST(span -> {n} AS text)" for n, key in enumerate(_PLACES)})
        every = f"jsonb_array_elements({column}) AS span"
        found = f"(SELECT string_agg({one}, ',') FROM {every})"  # noqa: S608 - ours
        return f"'[' || coalesce({found}, '') || ']'"

    @staticmethod
    def flags() -> str:
        kinds = f"ARRAY(SELECT '\"' || flag.kind || '\"' FROM {_FLAGS} ORDER BY 1)"  # noqa: S608
        return f"'[' || array_to_string({kinds}, ',') || ']'"

    @staticmethod
    def brands(one: str, generation: int) -> str:
        return f"""'[' || array_to_string(ARRAY(
            SELECT {one} FROM "match" AS found
            LEFT JOIN reading AS toward ON toward.mention_id = found.mention_id
                AND toward.brand_id = found.brand_id AND toward.generation_id = {generation}
            WHERE found.mention_id = mention.id ORDER BY found.brand_id
        ), ',') || ']'"""  # noqa: S608 - columns of ours and a number
