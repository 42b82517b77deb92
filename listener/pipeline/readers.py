"""Gives the reader to read with: the present one, and that of any generation that is stored."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sqlalchemy.orm import Session

from listener.errors import InvalidInput, ListenerError, NotFound
from listener.pipeline import overlay
from listener.store import generations, overlays, rule_sets
from listener.store.generations import RuleText, Versions
from listener.store.tables import GenerationRow
from listener.types import Match, Mention, ReadMention

if TYPE_CHECKING:
    from listener.enrich.reader import Reader
    from listener.enrich.sentiment.base import SentimentModel

log = logging.getLogger(__name__)


class Reading(Protocol):
    """What makes readings of mentions (``enrich.reader.Reader``)."""

    @property
    def versions(self) -> Versions:
        """Models and rules in use."""
        ...

    def read(
        self, mentions: Sequence[Mention], matches: Sequence[Sequence[Match]]
    ) -> list[ReadMention]:
        """Read each mention whole and toward each brand it matches."""
        ...


class Missing(ListenerError):
    """A stored generation cannot be read by any more; the message says what is missing."""

    code = "generation-missing"


@dataclass(frozen=True, slots=True)
class Now:
    """What to read with at this moment.

    ``own`` is the present reader. ``in_force`` is the generation in force where it is another, and
    ``beside`` what reads like it.
    """

    own: Reading
    rules: RuleText | None
    in_force: int | None = None
    beside: Reading | None = None


class Shelf(ABC):
    """Where readers come from: the present one, and those of stored generations."""

    @abstractmethod
    def current(self, session: Session) -> tuple[Reading, RuleText | None]:
        """The present models and rules, and the text of these."""

    @abstractmethod
    def of(self, session: Session, generation_id: int) -> Reading:
        """The reader that gives the very readings of a stored generation.

        Raises Missing, which says what is missing, and NotFound.
        """

    def like(self, session: Session, row: GenerationRow) -> Reading:
        """The reader of a generation; where that is gone, one as much like it as there is."""
        return self.of(session, row.id)

    def now(self, session: Session) -> Now:
        """What to read with at this moment. Raises InvalidInput for a broken rules file."""
        own, rules = self.current(session)
        active = generations.active(session)
        if active is None or active.key == own.versions.key:
            return Now(own, rules)
        return Now(own, rules, active.id, self.like(session, active))


class Always(Shelf):
    """One reader, whatever is stored."""

    def __init__(self, reader: Reading) -> None:
        self._reader = reader

    def current(self, session: Session) -> tuple[Reading, RuleText | None]:
        """The reader."""
        return self._reader, None

    def of(self, session: Session, generation_id: int) -> Reading:
        """The same."""
        return self._reader


class Readers(Shelf):
    """Readers of an install. The present one follows the edited rules and overlays in the database,
    without a restart; a file that the settings name comes before edited rules. May be shared by
    threads.
    """

    def __init__(self, rules: Path | None = None) -> None:
        self._file = rules
        self._lock = threading.Lock()
        self._made_for: object = None  # what of the database it was made for
        self._current: tuple[Reader, RuleText] | None = None
        self._in_force: tuple[object, Reader] | None = None

    def current(self, session: Session) -> tuple[Reader, RuleText]:
        """The present models and rules, and the text of these."""
        wanted = (
            None if self._file else rule_sets.current_version(session),
            overlays.versions(session),
        )
        with self._lock:
            if self._current is None or wanted != self._made_for:
                self._current = self._make(session)
                self._made_for = wanted
            return self._current

    def of(self, session: Session, generation_id: int) -> Reader:
        """The reader that gives the very readings of a stored generation.

        Raises Missing, which says what is missing, and NotFound.
        """
        row = generations.get(session, generation_id)
        current, _ = self.current(session)
        if row.key == current.versions.key:
            return current
        reader = self._build(session, row, self._rules_of(session, row), exact=True)
        if reader.versions.key != row.key:
            raise Missing(
                f"Generation {row.id} cannot be read by any more: this release applies its rules"
                f" ({row.rules_version}) in another way.",
                hint="Its stored readings stay. `listener rescore` reads by the present rules.",
            )
        return reader

    def like(self, session: Session, row: GenerationRow) -> Reader:
        """The reader of a generation; where that is gone, one as much like it as there is."""
        with self._lock:
            if self._in_force is not None and self._in_force[0] == (row.key, self._made_for):
                return self._in_force[1]
        try:
            reader = self.of(session, row.id)
        except Missing as missing:
            log.warning("%s", missing.message)
            # Rather by the old models and today's rules than not at all.
            _, rules = self.current(session)
            reader = self._build(session, row, rules.text, exact=False)
        with self._lock:
            self._in_force = ((row.key, self._made_for), reader)
        return reader

    def _make(self, session: Session) -> tuple[Reader, RuleText]:
        from listener.enrich.reader import Reader, default_models
        from listener.enrich.rules import compile_rules
        from listener.enrich.rulesfile import read_rules_text

        models = [overlay.overlaid(session, model) for model in default_models()]
        edited = None if self._file else rule_sets.current(session)
        if edited is not None:
            rules = RuleText(edited.text, rule_sets.EDITED)
            try:
                return Reader(compile_rules(rules.text, "rules"), models), rules
            except InvalidInput as error:
                # They were judged when they were saved, by another release. To collect nothing
                # would be worse than to read by the rules that ship.
                log.error("the edited rules cannot be used, so the built-in ones are: %s", error)
        name, text = read_rules_text(self._file)
        rules = RuleText(text, rule_sets.FILE if self._file else rule_sets.BUILT_IN)
        return Reader(compile_rules(text, name), models), rules

    def _rules_of(self, session: Session, row: GenerationRow) -> str:
        kept = rule_sets.get(session, row.rules_version)
        if kept is not None:
            return kept.text
        _, rules = self.current(session)
        return rules.text  # perhaps they are the same; the version will tell

    def _build(self, session: Session, row: GenerationRow, rules: str, *, exact: bool) -> Reader:
        from listener.enrich.reader import Reader, default_models
        from listener.enrich.rules import compile_rules

        models: dict[tuple[str, str], SentimentModel] = {}
        for language, (name, version) in sorted(row.models.items()):
            try:
                models.setdefault((name, version), overlay.find(session, name, version))
            except (InvalidInput, NotFound) as error:
                if exact:
                    raise Missing(
                        f"Generation {row.id} cannot be read by any more: {error.message}",
                        hint="Its stored readings stay.",
                    ) from error
                for model in default_models():
                    if language in model.languages:
                        models.setdefault((model.name, model.version), model)
        try:
            return Reader(compile_rules(rules), models.values())
        except InvalidInput as error:
            raise Missing(
                f"The rules of generation {row.id} cannot be used any more: {error.message}"
            ) from error
