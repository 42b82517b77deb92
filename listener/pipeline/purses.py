"""What purses may spend: a source's quotas, and the budget of its connection or the settings."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation

from listener.errors import ConfigError, InvalidInput, NotFound
from listener.net.budget import Terms, terms
from listener.settings import PREFIX, source_setting
from listener.store import connections
from listener.store.work import Database
from listener.types import SourceSpec


class Purses:
    """Finds what holds for a purse, ``source|connection id`` (no id: the settings' account)."""

    def __init__(self, database: Database, spec: Callable[[str], SourceSpec], *, zone: str) -> None:
        self._database = database
        self._spec = spec
        self._zone = zone

    def terms(self, purse: str) -> Terms:
        """The caps of a purse. Raises ConfigError for a setting that is no amount, StorageError."""
        source, _, number = purse.partition("|")
        try:
            spec = self._spec(source)
        except InvalidInput:
            return Terms(caps=())  # not of a source: nothing is counted
        if not number:
            calls, micro_usd = budget_settings(source)
            return terms(spec, calls=calls, micro_usd=micro_usd, zone=self._zone)
        try:
            with self._database.read() as session:
                row = connections.get(session, int(number))
        except (NotFound, ValueError):
            return terms(spec, calls=None, micro_usd=None, zone=self._zone)
        return terms(
            spec,
            calls=row.budget_calls,
            micro_usd=row.budget_micro_usd,
            zone=self._zone,
            name=row.name,
        )


def budget_settings(source: str) -> tuple[int | None, int | None]:
    """Calls a day and micro dollars a month that the environment allows a source's default account.

    Raises ConfigError that names the variable.
    """
    found: list[int | None] = []
    for name, read in (("budget_calls", whole), ("budget_usd", micro_usd)):
        given = source_setting(source, name)
        try:
            found.append(read(given) if given is not None else None)
        except ValueError:
            raise ConfigError(
                f"{PREFIX}{source.upper()}__{name.upper()} is no amount: {given!r}.",
                hint="A number without a sign or a currency, like 20.",
            ) from None
    return found[0], found[1]


def whole(text: str) -> int:
    """A count as people write it. Raises ValueError."""
    number = int(text.replace(",", "").replace("_", "").strip())
    if not 0 <= number <= 1_000_000_000:
        raise ValueError("out of range")
    return number


def micro_usd(text: str) -> int:
    """US dollars as people write them, in millionths. Raises ValueError."""
    try:
        amount = Decimal(text.replace(",", "").strip().lstrip("$"))
    except InvalidOperation:
        raise ValueError("no amount") from None
    if not amount.is_finite() or not 0 <= amount <= 1_000_000:
        raise ValueError("out of range")
    return int(amount * 1_000_000)
