"""What words would find among the newest stored mentions, before anybody saves them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.rule_edits import WORDS, Data
from listener.enrich.clauses import split
from listener.enrich.editing import EDITED
from listener.enrich.meant import Meant
from listener.enrich.rules import RULE_LANGUAGES, Hit, compile_rules, fold
from listener.enrich.rulesfile import AREA, render_rules
from listener.store.tables import MentionRow

LOOKED_AT: Final = 2_000  # of the newest mentions
EXAMPLES: Final = 20
_PATIENCE_S: Final = 3.0  # beyond, what was looked at so far is told
_EXCEPT: Final = "x"


@dataclass(frozen=True, slots=True)
class Text:
    """A stored mention to try words on. Title and text are read as one."""

    id: int
    source: str
    event_at: datetime
    title: str | None
    text: str

    @property
    def whole(self) -> str:
        """What rules read."""
        return f"{self.title}\n{self.text}" if self.title else self.text


@dataclass(frozen=True, slots=True)
class Found:
    """[start, end) within a field, and the words as they stand there (a ``marks.Spanned``)."""

    field: str
    start: int
    end: int
    term: str


@dataclass(frozen=True, slots=True)
class Example:
    """A mention that the words find, or no longer find. ``change``: "new", "gone" or ""."""

    mention: Text
    spans: Sequence[Found]
    change: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What words would find, and what the present words of the same category find."""

    looked_at: int
    found: int
    before: int
    gained: int
    lost: int
    words: Mapping[str, int]  # each pattern -> in how many mentions it stands
    examples: Sequence[Example]
    took_s: float


class Finder:
    """Words of one category, ready to be looked for. Raises InvalidInput for a bad pattern.

    ``told`` leaves out what is denied, asked or supposed, by the rules in ``data``.
    """

    def __init__(self, fields: Mapping[str, Any], data: Data, *, told: bool) -> None:
        self.words = list(dict.fromkeys(w for k in ("ko", "en") for w in fields.get(k) or ()))
        categories: dict[str, Any] = {
            f"w{place}": {"ko": [word]} for place, word in enumerate(self.words)
        }
        categories[_EXCEPT] = {"ko": list(fields.get("except") or ())}
        filters = {k: data[k] for k in ("negation", "unreal", "question") if k in data}
        text = render_rules({"taxonomy": {AREA: categories}, **(filters if told else {})})
        self._rules = compile_rules(text, EDITED)
        self._told = told

    def find(self, text: str) -> list[tuple[str, int, int]]:
        """(pattern, start, end) of every place that counts."""
        folded = fold(text)
        hits = self._rules.find(folded)
        if not hits:
            return []
        hidden = [hit for hit in hits if hit.topic == _EXCEPT]
        kept = [
            hit
            for hit in hits
            if hit.topic != _EXCEPT
            and not any(one.start < hit.end and hit.start < one.end for one in hidden)
        ]
        if kept and self._told:
            kept = self._real(folded, text, kept)
        return [(self.words[int(hit.topic[1:])], hit.start, hit.end) for hit in kept]

    def _real(self, folded: str, text: str, hits: Sequence[Hit]) -> list[Hit]:
        meant = Meant(folded, split(text), self._rules)
        return [hit for hit in hits if meant.told(hit)]


def newest(session: Session, *, own: bool, limit: int = LOOKED_AT) -> list[Text]:
    """The newest mentions in languages that rules read; ``own``: also the brands' own voice."""
    query = (
        select(
            MentionRow.id,
            MentionRow.source,
            MentionRow.event_at,
            MentionRow.title,
            MentionRow.text,
        )
        .where(MentionRow.language.in_(RULE_LANGUAGES))
        .order_by(MentionRow.id.desc())
        .limit(limit)
    )
    if not own:
        query = query.where(MentionRow.is_own.is_(False))
    return [Text(*row) for row in session.execute(query)]


def preview(
    texts: Sequence[Text], new: Finder, old: Finder | None, *, examples: int = EXAMPLES
) -> Preview:
    """Try words on texts beside those in use now (``old``; None = there are none yet)."""
    began = time.monotonic()
    words = dict.fromkeys(new.words, 0)
    shown: dict[str, list[Example]] = {"new": [], "gone": [], "": []}
    looked_at = found = before = gained = lost = 0
    for text in texts:
        if time.monotonic() - began > _PATIENCE_S:
            break
        looked_at += 1
        whole = text.whole
        now = new.find(whole)
        was = old.find(whole) if old else []
        for word in {word for word, _, _ in now}:
            words[word] += 1
        found += bool(now)
        before += bool(was)
        if now and not was:
            change, gained = "new", gained + 1
        elif was and not now:
            change, lost = "gone", lost + 1
        elif now:
            change = ""
        else:
            continue
        if len(shown[change]) < examples:
            shown[change].append(Example(text, _spans(text, now or was), change))
    # Half of the room for what is new, a third for what is gone, the rest for what stays.
    chosen = _share(shown, examples)
    return Preview(looked_at, found, before, gained, lost, words, chosen, time.monotonic() - began)


def _share(shown: Mapping[str, Sequence[Example]], room: int) -> list[Example]:
    gone = shown["gone"][: max(room // 3, room - len(shown["new"]))]
    fresh = shown["new"][: room - len(gone)]
    return [*fresh, *gone, *shown[""][: room - len(fresh) - len(gone)]]


def _spans(text: Text, hits: Sequence[tuple[str, int, int]]) -> list[Found]:
    """Places in the whole text as places in its title and text."""
    shift = len(text.title) + 1 if text.title else 0
    spans: list[Found] = []
    for word, start, end in hits:
        if start < shift - 1:
            spans.append(Found("title", start, min(end, shift - 1), word))
        if end > shift:
            spans.append(Found("text", max(start - shift, 0), end - shift, word))
    return spans


def words_of(fields: Mapping[str, Any]) -> dict[str, list[str]]:
    """Only the lists of words of a category."""
    return {name: list(fields.get(name) or ()) for name in WORDS}
