"""What a source is made of, and the runner that turns its pages into batches.

A source is a ``Poller``: ``request`` says what to ask, ``parse`` reads the answer, and neither
knows of paging, cursors, limits or the store. ``collect`` drives them from the newest item down to
where the last run began.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar

from listener.collect import cursor as cursors
from listener.collect.cursor import Mark, Track
from listener.errors import LayoutChanged, SourceError
from listener.net.client import Net
from listener.net.page import Page, Request
from listener.net.retry import fresh_until
from listener.types import Batch, Gap, GapReason, RawItem, SourceSpec, State, Watch

__all__ = ["Mark", "Page", "Parsed", "Poller", "Position", "Request", "param"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where in a walk the next page lies: all that a source knows of the past.

    ``above`` is the mark: only newer items are wanted (None = a first run). ``below`` is the last
    item of the page before, ``token`` what that page gave as ``next_page``; both None = the newest
    page. ``resumed`` says that an earlier run began this walk, so that a token may have run out.
    ``memory`` is what ``parse`` asked to keep.
    """

    now: datetime
    above: Mark | None = None
    below: Mark | None = None
    token: str | None = None
    resumed: bool = False
    closed_at: datetime | None = None
    memory: Mapping[str, Any] = field(default_factory=dict)

    @property
    def first(self) -> bool:
        """Whether this is the newest page."""
        return self.token is None and self.below is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """What one page says.

    ``next_page`` leads further down, None = there is no more. ``reached`` says whether the page
    comes down to what is known already; None leaves that to the runner, which compares the mark.
    False together with no next page means that the source does not show that far back: the runner
    makes a Gap of it. ``newest`` and ``oldest`` replace what the runner takes from the items' ids
    and times. ``keep`` goes into the memory at once, ``keep_when_closed`` when the walk is
    complete. ``suspect`` says why an empty page is not to be trusted.
    """

    items: tuple[RawItem, ...]
    next_page: str | None = None
    reached: bool | None = None
    newest: Mark | None = None
    oldest: Mark | None = None
    gaps: tuple[Gap, ...] = ()
    notices: tuple[str, ...] = ()
    next_at: datetime | None = None
    keep: Mapping[str, Any] = field(default_factory=dict)
    keep_when_closed: Mapping[str, Any] = field(default_factory=dict)
    suspect: str | None = None


class Poller(ABC):
    """A source that is asked over HTTP and shows its newest items first.

    Subclasses in ``collect/sources/`` are found by themselves. ``conditional`` = the newest page is
    asked with validators, so that a source that has nothing new can say so.
    """

    spec: SourceSpec  # a class attribute of each source
    conditional: ClassVar[bool] = False

    def __init__(self, net: Net) -> None:
        self.net = net

    @abstractmethod
    def request(self, watch: Watch, at: Position) -> Request:
        """Ask for one page. Raises InvalidInput for parameters that make no sense together."""

    @abstractmethod
    def parse(self, page: Page, watch: Watch, at: Position) -> Parsed:
        """Read one page. A missing key (KeyError …) becomes LayoutChanged in the runner."""

    def load(self, watch: Watch, at: Position, validators: Mapping[str, Mapping[str, str]]) -> Page:
        """Get one page; sources that speak through a library of their own replace this."""
        request = self.request(watch, at)
        known = validators.get(request.url) if self.conditional and at.first else None
        return self.net.fetch(request, validators=known)

    def collect(self, watch: Watch, state: State, *, now: datetime) -> Iterator[Batch]:
        """Yield one batch a page, newest first, each with the state from which the rest is fetched.

        A walk that an earlier run left open is closed first; then the newest items are walked down
        to the mark. Raises SourceError; what was yielded before stays valid.
        """
        track = cursors.load(state.cursor)
        validators = {url: dict(known) for url, known in state.validators.items()}
        room = self.net.settings.max_pages
        left_open = track.walk is not None
        for resumed in (True, False) if left_open else (False,):
            if room <= 0:
                return
            track = cursors.begin(track, now)
            tokens: set[str] = set()
            while track.walk is not None:
                at = _position(track, now, resumed=resumed)
                page = self.load(watch, at, validators)
                room -= 1
                if page.unchanged:
                    track = cursors.close(track)
                    yield Batch(
                        items=(),
                        state=State(cursor=cursors.dump(track), validators=validators),
                        complete=True,
                        requests=page.requests,
                        unchanged=True,
                        next_at=self.next_at(page, at),
                    )
                    return
                try:
                    parsed = self._parsed(page, watch, at)
                except SourceError as error:
                    error.requests = page.requests
                    raise
                if self.conditional and at.first and not parsed.suspect:
                    validators[page.asked] = dict(page.validators)
                token = parsed.next_page if parsed.next_page not in tokens else None
                tokens.add(token or "")
                track, gaps, notices = self._take(parsed, track, token)
                out_of_room = room <= 0 and track.walk is not None
                # The second walk of a run is simply resumed by the next: nothing is given up.
                if out_of_room and (resumed or not left_open):
                    track, gaps, notices = self._give_up(track, gaps, notices)
                yield Batch(
                    items=parsed.items,
                    state=State(cursor=cursors.dump(track), validators=validators),
                    complete=track.walk is None and not resumed and not parsed.suspect,
                    gaps=gaps,
                    notices=notices,
                    requests=page.requests,
                    suspect=parsed.suspect,
                    next_at=parsed.next_at,
                )
                if out_of_room:
                    return

    def next_at(self, page: Page, at: Position) -> datetime | None:
        """When the source wants to be asked again at the earliest; asked of unchanged
        pages only.
        """
        return fresh_until(page.headers, page.now)

    def _take(
        self, parsed: Parsed, track: Track, token: str | None
    ) -> tuple[Track, tuple[Gap, ...], tuple[str, ...]]:
        """Take a page into the walk, which is closed (None) once it came down far enough."""
        marks = [Mark(item.external_id, item.published_at) for item in parsed.items]
        down = parsed.reached
        if down is None:
            down = cursors.reached(track.mark, marks)
        track = cursors.descend(
            replace(track, memory={**track.memory, **parsed.keep}),
            top=parsed.newest or cursors.newest(marks),
            bottom=parsed.oldest or (marks[-1] if marks else None),
            token=token,
            pending=parsed.keep_when_closed,
        )
        if parsed.suspect:
            # Nothing is taken for seen, so that the next run comes this way again.
            return replace(track, walk=None), parsed.gaps, parsed.notices
        if not down and token is not None:
            return track, parsed.gaps, parsed.notices
        gaps = parsed.gaps
        if parsed.reached is False:
            hole = cursors.gap(track, GapReason.WINDOW, "The source does not show further back.")
            gaps = (*gaps, hole) if hole else gaps
        return cursors.close(track), gaps, parsed.notices

    def _give_up(
        self, track: Track, gaps: tuple[Gap, ...], notices: tuple[str, ...]
    ) -> tuple[Track, tuple[Gap, ...], tuple[str, ...]]:
        """Close a walk that is too long; what lies below becomes a Gap, on a first run a notice."""
        why = f"More than {self.net.settings.max_pages} pages at once."
        hole = cursors.gap(track, GapReason.PAGE_CAP, why)
        if hole is None:
            notices = (*notices, f"{why} Older items were left out.")
        return cursors.close(track), (*gaps, hole) if hole else gaps, notices

    def _parsed(self, page: Page, watch: Watch, at: Position) -> Parsed:
        try:
            return self.parse(page, watch, at)
        except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
            raise LayoutChanged(
                f"{self.spec.title} answers in an unknown shape: {_missing(error)}.",
                hint="The source may have changed; a newer version of Listener may know it.",
                status=page.status,
            ) from error


def _position(track: Track, now: datetime, *, resumed: bool) -> Position:
    walk = track.walk
    return Position(
        now=now,
        above=track.mark,
        below=walk.bottom if walk else None,
        token=walk.token if walk else None,
        resumed=resumed,
        closed_at=track.closed_at,
        memory=track.memory,
    )


def param(watch: Watch, spec: SourceSpec, name: str) -> str:
    """A watch's parameter, else the default of the source, else an empty string."""
    value = watch.params.get(name)
    if value:
        return value
    return next((one.default or "" for one in spec.params if one.name == name), "")


def _missing(error: Exception) -> str:
    """What a parser stumbled over, in words; never a value of the answer."""
    if isinstance(error, KeyError):
        return f"{error.args[0]!r} is missing" if error.args else "something is missing"
    if isinstance(error, IndexError):
        return "a list is shorter than expected"
    return f"something has another type than expected ({type(error).__name__})"
