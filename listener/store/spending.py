"""What was spent, in the database, so that all processes spend from the same purse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from listener.net.budget import (
    Line,
    Receipt,
    Spent,
    TermsOf,
    Usage,
    allowed,
    changes,
    lines,
    period,
    priced,
    refusal,
)
from listener.store.tables import SpendingRow
from listener.store.upsert import insert_ignore
from listener.store.work import Database


class DatabaseLedger:
    """A ``Ledger``. Each change is a short transaction of its own, over before the request."""

    def __init__(self, database: Database, terms_of: TermsOf) -> None:
        self._database = database
        self._terms_of = terms_of

    def spend(
        self,
        purse: str,
        charge: Mapping[str, int],
        *,
        now: datetime,
        background: bool = False,
        held: bool = False,
    ) -> Receipt:
        """Charge all lines or none. Raises BudgetExhausted, StorageError."""
        terms = self._terms_of(purse)
        wanted = lines(terms, charge, now)
        with self._database.write() as work:
            rows = _locked(work.session, purse, wanted)
            for line, row in zip(wanted, rows, strict=True):
                spent = Spent(row.amount, row.background, row.held)
                error = refusal(terms, line, spent, background=background, now=now)
                if error is not None:
                    raise error
            for line, row in zip(wanted, rows, strict=True):
                row.amount += line.need
                row.background += line.need if background else 0
                row.held += line.need if held else 0
            work.commit()
        return Receipt(
            purse=purse, lines=wanted, prices=terms.prices, background=background, held=held
        )

    def settle(self, receipt: Receipt, used: Mapping[str, int]) -> None:
        """Correct what was charged to what was used. Raises StorageError."""
        corrections = changes(receipt, used)
        with self._database.write() as work:
            rows = _locked(work.session, receipt.purse, receipt.lines)
            for (line, off), row in zip(corrections, rows, strict=True):
                row.amount = max(row.amount + off, 0)
                if receipt.background:
                    row.background = max(row.background + off, 0)
                if receipt.held:
                    row.held = max(row.held - line.need, 0)
            work.commit()

    def room(
        self, purse: str, each: Mapping[str, int], *, now: datetime, background: bool = False
    ) -> int | None:
        """How many times ``each`` fits into every cap; None = no cap says anything."""
        terms = self._terms_of(purse)
        fits: list[int] = []
        needs = priced(each, terms.prices)
        with self._database.read() as session:
            for line in lines(terms, needs, now):
                spent = _spent(session, purse, line.unit, line.per, line.starts_at)
                for cap in line.caps:
                    may = allowed(cap, spent, background=background)
                    if may is not None:
                        fits.append(may // line.need)
        return min(fits, default=None)


def usage(session: Session, purse: str, terms_of: TermsOf, *, now: datetime) -> list[Usage]:
    """What is used of each cap of a purse in the period that now runs."""
    found = []
    for cap in terms_of(purse).caps:
        start, end = period(cap.per, cap.zone, now)
        spent = _spent(session, purse, cap.unit, cap.per, start)
        found.append(Usage(cap=cap, used=spent.amount, starts_at=start, ends_at=end))
    return found


def _spent(session: Session, purse: str, unit: str, per: str, starts_at: datetime) -> Spent:
    row = session.get(SpendingRow, (purse, unit, per, starts_at))
    return Spent(row.amount, row.background, row.held) if row else Spent()


def _locked(session: Session, purse: str, wanted: Sequence[Line]) -> list[SpendingRow]:
    """The rows of these lines, made where they are missing, locked to the end of the
    transaction.
    """
    if not wanted:
        return []
    keys = [(line.unit, line.per, line.starts_at) for line in wanted]
    for unit, per, starts_at in keys:
        row = {"purse": purse, "unit": unit, "per": per, "starts_at": starts_at}
        counts = {"amount": 0, "background": 0, "held": 0}
        insert_ignore(session, SpendingRow, [{**row, **counts}])
    these = or_(
        *(
            and_(
                SpendingRow.unit == unit,
                SpendingRow.per == per,
                SpendingRow.starts_at == starts_at,
            )
            for unit, per, starts_at in keys
        )
    )
    rows = session.scalars(
        select(SpendingRow)
        .where(SpendingRow.purse == purse, these)
        .order_by(SpendingRow.unit, SpendingRow.per, SpendingRow.starts_at)
        .with_for_update()
    )
    by_key = {(row.unit, row.per, row.starts_at): row for row in rows}
    return [by_key[key] for key in keys]
