"""Tells whether what the rules found is meant: not denied, asked, supposed or put right."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Final

from listener.enrich.clauses import Clause
from listener.enrich.rules import Hit, Rules

# Characters at the end of a question that tell that it is one.
_ENDING: Final = 24

# Characters; a "clause" that goes on for longer is a text without stops.
_NEAR: Final = 200


class Meant:
    """Judges the hits of one folded text. ``clauses`` are its clauses in order."""

    def __init__(self, text: str, clauses: Sequence[Clause], rules: Rules) -> None:
        self._text = text
        self._clauses = clauses
        self._rules = rules
        self._topics: dict[str, list[int]] | None = None
        # Most texts hold no word of the filters at all; then no hit needs to be looked at.
        self._may_deny: bool | None = None
        self._may_suppose: bool | None = None
        self._may_ask: bool | None = None

    def problems(self, hits: Sequence[Hit]) -> list[Hit]:
        """The problems among the hits that are told."""
        found: list[Hit] = []
        for hit in hits:
            role = hit.role
            if role in ("topic", "tag"):
                continue
            if role == "with":
                if not self._beside_topic(hit, hits):
                    continue
                # One of several words of the same problem is enough.
                if found and found[-1].topic == hit.topic and found[-1].end >= hit.start:
                    continue
            if self.told(hit, denied=role != "failures"):
                found.append(hit)
        return found

    def clause_of(self, hit: Hit) -> int:
        """The number of the clause in which a hit begins."""
        if len(self._clauses) == 1:
            return 0
        return max(bisect_right(self._clauses, (hit.start, _FAR)) - 1, 0)

    def told(self, hit: Hit, *, denied: bool = True) -> bool:
        """Whether it is said of something real. ``denied`` = a negation beside it takes it back."""
        text, rules = self._text, self._rules
        if self._may_deny is None:
            self._may_deny = rules.negation.may_apply(text)
            self._may_suppose = rules.unreal.may_apply(text)
        denied = denied and self._may_deny
        if not (denied or self._may_suppose or self._asks()):
            return True
        start, end = self._around(hit)
        if denied and rules.negation.applies(text, hit, start, end):
            return False
        if self._may_suppose and rules.unreal.applies(text, hit, start, end):
            return False
        return not self._asked(start, end)

    def asks(self, within: Sequence[Clause]) -> bool:
        """Whether one of the clauses is a plain question, not a reproach."""
        if not self._asks():
            return False
        return any(self._asked(start, end) for start, end in within)

    def _asks(self) -> bool:
        """Whether any part of the text could be a question."""
        if self._may_ask is None:
            self._may_ask = bool(self._rules.may_ask.find_matches_as_indexes(self._text))
        return self._may_ask

    def _asked(self, start: int, end: int) -> bool:
        """Whether [start, end) ends as a question and is no reproach."""
        if not self._asks():
            return False
        if self._rules.question.search(self._text, max(start, end - _ENDING), end) is None:
            return False
        return self._rules.reproach.search(self._text, max(start, end - 2 * _NEAR), end) is None

    def _beside_topic(self, hit: Hit, hits: Sequence[Hit]) -> bool:
        """Whether the topic of a word that needs one stands in the same clause."""
        if self._topics is None:
            self._topics = {}
            for one in hits:
                if one.role == "topic":
                    self._topics.setdefault(one.topic, []).append(one.start)
            for starts in self._topics.values():
                starts.sort()
        places = self._topics.get(hit.topic)
        if places is None:
            return False
        start, end = self._around(hit)
        index = bisect_left(places, start)
        return index < len(places) and places[index] < end

    def _around(self, hit: Hit) -> Clause:
        """The clauses that a hit touches, as one, and no more of them than lies near."""
        clauses = self._clauses
        if len(clauses) == 1:
            start, end = clauses[0]
        else:
            first = max(bisect_right(clauses, (hit.start, _FAR)) - 1, 0)
            last = max(bisect_left(clauses, (hit.end, -1)) - 1, first)
            start, end = min(clauses[first].start, hit.start), max(clauses[last].end, hit.end)
        if end - start <= _NEAR:
            return Clause(start, end)
        return Clause(max(start, hit.start - _NEAR), min(end, hit.end + _NEAR))


_FAR: Final = 1 << 62
