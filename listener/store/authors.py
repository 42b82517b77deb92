"""Authors: who wrote mentions, as their source last told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from listener.store.tables import AuthorRow
from listener.store.upsert import Bulk, allocate, among, chunks, table_of
from listener.types import RawAuthor

AuthorKey = tuple[str, str, str]  # source, namespace, native id
Pseudonym = Callable[[str, str, str], str]  # of such a key

_AUTHORS = Bulk(
    AuthorRow,
    (
        *("id", "source", "namespace", "native_id"),
        *("handle", "name", "followers", "url", "pseudonym"),
    ),
    conflict="DO NOTHING",
)


class _Author(NamedTuple):
    id: int
    handle: str
    name: str
    followers: int | None
    url: str | None


def native_id(author: RawAuthor) -> str:
    """The id of an author; the handle where the source has none, and the name where it has
    neither.
    """
    return author.native_id or author.handle or (f"name:{author.name}" if author.name else "")


def note(
    session: Session, told: Mapping[AuthorKey, RawAuthor], pseudonym: Pseudonym
) -> dict[AuthorKey, int]:
    """Store authors as last told; gives their ids."""
    rows = _rows(session, told)
    _update(session, told, rows)
    ids = {key: row.id for key, row in rows.items()}
    # In one order everywhere, so that two writers of the same authors never wait for each other.
    missing = sorted(key for key in told if key not in rows)
    if not missing:
        return ids
    new = dict(zip(missing, allocate(session, AuthorRow, len(missing)), strict=True))
    written = _AUTHORS.run(
        session,
        [
            (id_, *key, a.handle, a.name, a.followers, a.url, pseudonym(*key))
            for key, id_ in new.items()
            for a in [told[key]]
        ],
    )
    if written < len(missing):  # another writer was first with some of them
        new = {key: row.id for key, row in _rows(session, missing).items()}
    return ids | new


def _rows(session: Session, keys: Iterable[AuthorKey]) -> dict[AuthorKey, _Author]:
    rows: dict[AuthorKey, _Author] = {}
    for (source, namespace), group in groupby(sorted(keys), key=lambda key: key[:2]):
        for some in chunks([key[2] for key in group]):
            for native_id, *author in session.execute(
                select(
                    AuthorRow.native_id,
                    AuthorRow.id,
                    AuthorRow.handle,
                    AuthorRow.name,
                    AuthorRow.followers,
                    AuthorRow.url,
                ).where(
                    AuthorRow.source == source,
                    AuthorRow.namespace == namespace,
                    among(session, AuthorRow.native_id, some),
                )
            ):
                rows[(source, namespace, native_id)] = _Author._make(author)
    return rows


def _update(
    session: Session, told: Mapping[AuthorKey, RawAuthor], rows: Mapping[AuthorKey, _Author]
) -> None:
    """Take over names and follower counts as last told; what the source left out stays."""
    changed: list[dict[str, Any]] = []
    for key, old in rows.items():
        new = told[key]
        now = _Author(
            old.id,
            new.handle or old.handle,
            new.name or old.name,
            old.followers if new.followers is None else new.followers,
            new.url or old.url,
        )
        if now != old:
            changed.append(
                {
                    "b_id": old.id,
                    "handle": now.handle,
                    "name": now.name,
                    "followers": now.followers,
                    "url": now.url,
                }
            )
    if changed:
        columns = ("handle", "name", "followers", "url")
        session.connection().execute(
            update(table_of(AuthorRow))
            .where(AuthorRow.id == bindparam("b_id"))
            .values({name: bindparam(name) for name in columns}),
            sorted(changed, key=lambda row: row["b_id"]),
        )
