"""The rules that an install reads by, for screens and API: names, versions, and saving new ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

from sqlalchemy.orm import Session

from api.rule_edits import Data, check_limits, head_note, same, with_note
from listener.alert.message import topic_name
from listener.enrich.editing import dict_to_rules_text, rules_to_dict
from listener.enrich.rules import compile_rules, rules_version
from listener.enrich.rulesfile import AREA, BUILT_IN, read_rules_text
from listener.errors import Conflict, InvalidInput
from listener.store import generations, rule_sets
from listener.store.rule_sets import RuleSet
from listener.store.work import Database

_KEPT = 60  # texts of rules in memory
_TRIES = 3  # to save beside somebody who saves at the same moment


@dataclass(frozen=True)
class InUse:
    """A text of rules with what it says. ``by`` and ``at`` are of whoever saved it here."""

    text: str
    origin: str  # built-in | file | edited
    name: str
    by: str = ""
    at: datetime | None = None
    kept_as: str | None = None  # its version where it was saved here

    @cached_property
    def version(self) -> str:
        """A hash of it: equal for equal rules."""
        return self.kept_as or rules_version(self.text)

    @cached_property
    def data(self) -> Data:
        """All of it as plain data; change a copy. Raises InvalidInput for a broken file."""
        return rules_to_dict(self.text, self.name)

    @property
    def note(self) -> str:
        """What whoever saved it wrote about it."""
        return head_note(self.text)


class Names:
    """What topics, tags and taxonomies are called. Of several rules the first that knows counts."""

    def __init__(self, *rules: Data) -> None:
        self._present = rules[0]["taxonomies"]
        self._found: dict[str, tuple[str, str]] = {}
        self._groups: dict[str, tuple[str, str]] = {}
        for taxonomy in (one for some in rules for one in some["taxonomies"]):
            kind = taxonomy["key"]
            self._groups.setdefault(kind, _names_of(taxonomy))
            for category in taxonomy["categories"]:
                key = category["key"] if kind == AREA else f"{kind}:{category['key']}"
                self._found.setdefault(key, _names_of(category))

    def topic(self, key: str, language: str) -> str:
        """A topic ("delivery") in words."""
        found = self._found.get(key)
        return topic_name(key, language) if found is None else found[language != "ko"]

    def tag(self, key: str, language: str) -> str:
        """A tag ("intent:praise") in words."""
        found = self._found.get(key)
        return key if found is None else found[language != "ko"]

    def group(self, key: str, language: str) -> str:
        """A taxonomy ("intent") in words."""
        found = self._groups.get(key)
        return key if found is None else found[language != "ko"]

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics of the present rules, in their order."""
        areas = (one["categories"] for one in self._present if one["key"] == AREA)
        return tuple(category["key"] for categories in areas for category in categories)

    @property
    def tags(self) -> dict[str, tuple[str, ...]]:
        """Taxonomy -> the tags of its categories, in the order of the present rules."""
        return {
            one["key"]: tuple(f"{one['key']}:{category['key']}" for category in one["categories"])
            for one in self._present
            if one["key"] != AREA
        }


class RulesShelf:
    """The rules in use, parsed once a version. May be shared by threads.

    ``file`` is what the settings name: it comes before rules that were edited here, and then
    nothing can be edited here.
    """

    def __init__(self, file: Path | None = None) -> None:
        self.file = file
        self._lock = Lock()
        self._kept: dict[str | None, InUse] = {}
        self._names: tuple[object, Names] | None = None

    def current(self, session: Session) -> InUse:
        """What new mentions are read by. Raises InvalidInput for a file that cannot be read."""
        version = None if self.file else rule_sets.current_version(session)
        with self._lock:
            found = self._kept.get(version)
        if found is None:
            found = self._load(session, version)
        return found

    def counted_by(self, session: Session) -> InUse | None:
        """What the readings in force, which screens count, were made by; None = unknown."""
        row = generations.active(session)
        if row is None:
            return None
        with self._lock:
            found = self._kept.get(row.rules_version)
        if found is None and rule_sets.get(session, row.rules_version) is not None:
            found = self._load(session, row.rules_version)
        return found

    def data_of(self, row: RuleSet) -> Data:
        """What a version that was kept says. Raises InvalidInput where it cannot be read now."""
        with self._lock:
            found = self._kept.get(row.version)
            if found is None:
                found = self._keep(row.version, _of(row))
        return found.data

    def names(self, session: Session) -> Names:
        """Names of the rules in use; of the readings in force for what those do not know."""
        current, counted = self._readable(session)
        made_for = current.kept_as, counted.kept_as if counted else None
        with self._lock:
            if self._names is None or self._names[0] != made_for:
                known = [current.data] + ([counted.data] if counted else [])
                self._names = made_for, Names(*known)
            return self._names[1]

    def save(
        self,
        database: Database,
        change: Callable[[InUse], Mapping[str, Any]],
        *,
        by: str,
        now: datetime,
        note: str = "",
    ) -> InUse:
        """Put what ``change`` makes of the present rules in use, as a new version.

        Raises InvalidInput where nothing would change or the rules are wrong, and Conflict where a
        file has the say.
        """
        self.must_be_editable()
        for _ in range(_TRIES):
            with database.read() as session:
                before = self.current(session)
            data = change(before)
            check_limits(data)
            if same(data, before.data):
                raise InvalidInput("Nothing was changed.", field="rules")
            text = dict_to_rules_text(data)
            text = with_note(text, note)
            version = rules_version(text)
            with database.write() as work:
                rule_sets.lock(work.session)
                if rule_sets.current_version(work.session) == before.kept_as:
                    # What it replaces can be gone back to, and compared with.
                    rule_sets.keep(
                        work.session, before.text, before.version, origin=before.origin, now=now
                    )
                    rule_sets.save(work.session, text, version, by=by, now=now)
                    work.commit()
                    return InUse(text, rule_sets.EDITED, "rules", by, now, version)
        raise Conflict("Others are saving rules right now.", hint="Try again in a moment.")

    def go_back(self, database: Database, version: str) -> None:
        """Put an earlier version in use again. Raises NotFound, Conflict and InvalidInput."""
        self.must_be_editable()
        with database.write() as work:
            rule_sets.lock(work.session)
            found = rule_sets.get(work.session, version)
            if found is not None and found.text == read_rules_text()[1]:
                rule_sets.reset(work.session)  # and follow what later releases ship
            else:
                if found is not None:
                    compile_rules(found.text, f"of version {version}")
                rule_sets.restore(work.session, version)
            work.commit()

    def must_be_editable(self) -> None:
        """Raises Conflict where a file has the say."""
        if self.file is not None:
            raise Conflict(
                f"The rules are those of the file {self.file.name}, which LISTENER_RULES names.",
                hint="Edit that file, or unset LISTENER_RULES to edit rules here.",
            )

    def _readable(self, session: Session) -> tuple[InUse, InUse | None]:
        """Both rules for their names: a broken file must not break every screen."""
        counted = self.counted_by(session)
        try:
            current = self.current(session)
            _ = current.data
        except InvalidInput:
            current = _built_in()
        return current, counted

    def _load(self, session: Session, version: str | None) -> InUse:
        if version is not None:
            row = rule_sets.get(session, version)
            found = _of(row) if row is not None else _built_in()
        elif self.file is not None:
            name, text = read_rules_text(self.file)
            found = InUse(text, rule_sets.FILE, name)
        else:
            found = _built_in()
        with self._lock:
            return self._keep(version, found)

    def _keep(self, version: str | None, found: InUse) -> InUse:
        if len(self._kept) > _KEPT:
            self._kept.clear()
        return self._kept.setdefault(version, found)


def _names_of(one: Mapping[str, Any]) -> tuple[str, str]:
    return one["name_ko"], one["name_en"]


def _of(row: RuleSet) -> InUse:
    return InUse(row.text, row.origin, "rules", row.by, row.created_at, row.version)


def _built_in() -> InUse:
    return InUse(read_rules_text()[1], rule_sets.BUILT_IN, BUILT_IN)
