"""Brands: the words mentions are matched to."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from hashlib import blake2b
from typing import Any

import orjson
from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from listener.errors import Conflict, InvalidInput, NotFound
from listener.store import rules
from listener.store.tables import BrandRow, CounterRow, SpikeRow
from listener.store.upsert import insert_update
from listener.types import Brand

NAME_LENGTH = 200
TERM_LENGTH = 200
MAX_TERMS = 500  # of one kind

_MATCHED = "matched_brands"
_LISTS = ("aliases", "hashtags", "handles", "any_terms", "all_terms", "none_terms")
_SIGNS = {"hashtags": "#＃", "handles": "@＠"}


def create(
    session: Session,
    *,
    name: str,
    aliases: Iterable[str] = (),
    hashtags: Iterable[str] = (),
    handles: Iterable[str] = (),
    any_terms: Iterable[str] = (),
    all_terms: Iterable[str] = (),
    none_terms: Iterable[str] = (),
    competitor: bool = False,
    now: datetime,
) -> Brand:
    """Add a brand with the rules that come with one. Raises InvalidInput, or Conflict when the
    name is taken.

    Words are trimmed, doubles dropped, and hashtags and handles lose their sign.
    """
    words = _words(
        name,
        aliases=aliases,
        hashtags=hashtags,
        handles=handles,
        any_terms=any_terms,
        all_terms=all_terms,
        none_terms=none_terms,
    )
    _check_free(session, words["name"], besides=None)
    row = BrandRow(**words, competitor=competitor, terms_version=_version(words), created_at=now)
    session.add(row)
    session.flush()
    rules.add_defaults(session, row.id, competitor=competitor, now=now)
    return from_row(row)


def update(session: Session, brand_id: int, **fields: Any) -> Brand:
    """Change the fields given: the name, any list of words, ``competitor``.

    Raises NotFound, InvalidInput, Conflict. What is stored already keeps its matches until it is
    matched anew.
    """
    row = _row(session, brand_id)
    unknown = set(fields) - {"name", "competitor", *_LISTS}
    if unknown:
        raise TypeError(f"a brand has no {', '.join(sorted(unknown))}")
    lists = {key: fields.get(key, getattr(row, key)) for key in _LISTS}
    words = _words(fields.get("name", row.name), **lists)
    _check_free(session, words["name"], besides=brand_id)
    for key, value in words.items():
        setattr(row, key, value)
    competitor = bool(fields.get("competitor", row.competitor))
    if competitor != row.competitor:
        row.competitor = competitor
        rules.change_sides(session, brand_id, competitor=competitor)
    row.terms_version = _version(words)
    session.flush()
    return from_row(row)


def archive(session: Session, brand_id: int, *, now: datetime) -> None:
    """Stop matching the brand; what was found stays. Raises NotFound."""
    row = _row(session, brand_id)
    row.archived_at = row.archived_at or now
    session.flush()


def restore(session: Session, brand_id: int) -> Brand:
    """Match an archived brand again. Raises NotFound."""
    row = _row(session, brand_id)
    row.archived_at = None
    session.flush()
    return from_row(row)


def get(session: Session, brand_id: int) -> Brand:
    """One brand, archived or not. Raises NotFound."""
    return from_row(_row(session, brand_id))


def find(session: Session, name: str) -> Brand:
    """The brand of that name, in any case, or of that id where the name is a number.

    Raises NotFound, which lists the names there are.
    """
    rows = session.scalars(select(BrandRow).where(BrandRow.archived_at.is_(None))).all()
    wanted = name.strip().casefold()
    for row in rows:
        if row.name.casefold() == wanted:
            return from_row(row)
    if wanted.isdecimal():
        for row in rows:
            if row.id == int(wanted):
                return from_row(row)
    known = ", ".join(sorted(row.name for row in rows)[:10])
    raise NotFound(
        f"There is no brand named {name!r}.",
        hint=f"There are: {known}." if known else "Add it with `listener brand add`.",
    )


def listing(session: Session, *, archived: bool = False) -> list[Brand]:
    """All brands in force by name; with ``archived`` those, too."""
    query = select(BrandRow).order_by(BrandRow.name)
    if not archived:
        query = query.where(BrandRow.archived_at.is_(None))
    return [from_row(row) for row in session.scalars(query)]


def left_open(session: Session) -> list[Brand]:
    """Archived brands of which a spike is still open."""
    is_open = exists().where(SpikeRow.brand_id == BrandRow.id, SpikeRow.resolved_at.is_(None))
    query = select(BrandRow).where(BrandRow.archived_at.is_not(None), is_open)
    return [from_row(row) for row in session.scalars(query.order_by(BrandRow.id))]


def versions(session: Session) -> tuple[tuple[int, str], ...]:
    """(id, terms_version) of all brands in force: equal as long as nothing has to be compiled
    anew.
    """
    rows = session.execute(
        select(BrandRow.id, BrandRow.terms_version)
        .where(BrandRow.archived_at.is_(None))
        .order_by(BrandRow.id)
    )
    return tuple((row.id, row.terms_version) for row in rows)


def fingerprint(session: Session) -> int:
    """A number that changes with any word of any brand in force (63 bits)."""
    told = orjson.dumps(versions(session))
    return int.from_bytes(blake2b(told, digest_size=8).digest(), "big") >> 1


def matched_for(session: Session) -> int | None:
    """The ``fingerprint`` that all stored mentions were matched for; None = never yet."""
    return session.scalar(select(CounterRow.value).where(CounterRow.name == _MATCHED))


def set_matched_for(session: Session, fingerprint: int) -> None:
    """Note that all stored mentions are matched for these brands."""
    row = {"name": _MATCHED, "value": fingerprint}
    insert_update(session, CounterRow, [row], key=["name"], update=["value"])


def from_row(row: BrandRow) -> Brand:
    """The noun of a row."""
    return Brand(
        id=row.id,
        name=row.name,
        aliases=tuple(row.aliases),
        hashtags=tuple(row.hashtags),
        handles=tuple(row.handles),
        any_terms=tuple(row.any_terms),
        all_terms=tuple(row.all_terms),
        none_terms=tuple(row.none_terms),
        competitor=row.competitor,
    )


def _row(session: Session, brand_id: int) -> BrandRow:
    row = session.get(BrandRow, brand_id)
    if row is None:
        raise NotFound(f"There is no brand {brand_id}.")
    return row


def _words(name: str, **lists: Iterable[str]) -> dict[str, Any]:
    name = " ".join(name.split())
    if not name:
        raise InvalidInput("A brand needs a name.", field="name")
    if len(name) > NAME_LENGTH:
        raise InvalidInput(f"A name has at most {NAME_LENGTH} characters.", field="name")
    return {"name": name} | {key: _terms(key, values) for key, values in lists.items()}


def _terms(field: str, values: Iterable[str]) -> list[str]:
    terms: dict[str, str] = {}
    for value in values:
        term = " ".join(value.split()).lstrip(_SIGNS.get(field, "")).strip()
        if len(term) > TERM_LENGTH:
            raise InvalidInput(f"A term has at most {TERM_LENGTH} characters.", field=field)
        if "\0" in term:
            raise InvalidInput("A term holds a NUL character.", field=field)
        if term:
            terms.setdefault(term.casefold(), term)
    if len(terms) > MAX_TERMS:
        raise InvalidInput(f"A brand has at most {MAX_TERMS} terms of a kind.", field=field)
    return list(terms.values())


def _version(words: dict[str, Any]) -> str:
    return blake2b(orjson.dumps(words, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()


def _check_free(session: Session, name: str, *, besides: int | None) -> None:
    for id_, taken, archived_at in session.execute(
        select(BrandRow.id, BrandRow.name, BrandRow.archived_at)
    ):
        if id_ != besides and taken.casefold() == name.casefold():
            raise Conflict(
                f"There is a brand named {taken!r} already.",
                hint="It is archived: restore it." if archived_at else None,
            )
