"""Full text search: FTS5 on SQLite, tsvector on PostgreSQL, over the tokens of
``listener.text``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, TextClause, bindparam, false, text
from sqlalchemy.orm import Session

from listener.store.tables import MentionRow, MentionSearchRow
from listener.store.upsert import Bulk, chunks
from listener.text import search_query, search_tokens

# PostgreSQL takes a megabyte of words and numbers no places beyond 16,383.
_MAX_TOKENS = 20_000
_TOKENS = Bulk(MentionSearchRow, ("mention_id", "tokens"), on_sqlite={"mention_id": "rowid"})


def put(session: Session, texts: Sequence[tuple[int, str | None, str]]) -> None:
    """Index (mention id, title, text) of mentions that are not in the index."""
    _TOKENS.run(session, [(id_, " ".join(_tokens(title, body))) for id_, title, body in texts])


def remove(session: Session, mention_ids: Sequence[int]) -> None:
    """Take mentions out of the index."""
    column = "rowid" if _is_sqlite(session) else "mention_id"
    statement = text(
        f"DELETE FROM mention_search WHERE {column} IN :ids"  # noqa: S608 - a name of ours
    ).bindparams(bindparam("ids", expanding=True))
    for some in chunks(mention_ids):
        session.execute(statement, {"ids": list(some)})


def condition(session: Session, query: str, mention_id: Any = MentionRow.id) -> ColumnElement[bool]:
    """Which mentions hold every word of the query, for a WHERE on the column of their ids.

    Words may go on in the text (배송 finds 배송이); no syntax of any kind is understood, so nothing
    a user types is an error. A query without a letter or digit finds nothing.
    """
    phrases = search_query(query)
    if not phrases:
        return false()
    if _is_sqlite(session):
        found = text("SELECT rowid FROM mention_search WHERE mention_search MATCH :_search")
        return _among(mention_id, found.bindparams(_search=_fts5(phrases)))
    found = text(
        "SELECT mention_id FROM mention_search WHERE tokens @@ to_tsquery('simple', :_search)"
    )
    return _among(mention_id, found.bindparams(_search=_tsquery(phrases)))


def _among(mention_id: Any, found: TextClause) -> ColumnElement[bool]:
    among: ColumnElement[bool] = mention_id.in_(found.columns(MentionRow.id))
    return among


def _tokens(title: str | None, body: str) -> list[str]:
    return search_tokens(f"{title}\n{body}" if title else body)[:_MAX_TOKENS]


def _fts5(phrases: Sequence[Sequence[str]]) -> str:
    return " AND ".join(
        '"' + " ".join(phrase).removesuffix("*") + '"' + ("*" if phrase[-1].endswith("*") else "")
        for phrase in phrases
    )


def _tsquery(phrases: Sequence[Sequence[str]]) -> str:
    return " & ".join(
        "("
        + " <-> ".join(f"'{token[:-1]}':*" if token[-1] == "*" else f"'{token}'" for token in p)
        + ")"
        for p in phrases
    )


def _is_sqlite(session: Session) -> bool:
    return session.get_bind().dialect.name == "sqlite"
