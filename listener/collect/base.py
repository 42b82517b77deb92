"""What a source is made of, and the runner that turns its pages into batches.

A source is a ``Poller``: ``request`` says what to ask, ``parse`` reads the answer, and neither
knows of paging, cursors, limits or the store. ``collect`` drives them from the newest item down to
where the last run began.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ClassVar, Protocol, runtime_checkable
from urllib.parse import urlsplit, urlunsplit

from listener.collect import cursor as cursors
from listener.collect.cursor import Mark, Track
from listener.collect.shape import WrongType, checked
from listener.errors import (
    AuthRejected,
    BudgetExhausted,
    LayoutChanged,
    RateLimited,
    SourceError,
)
from listener.net.client import Net
from listener.net.page import Page, Request
from listener.net.retry import fresh_until
from listener.types import (
    Batch,
    Brand,
    Gap,
    GapReason,
    Kept,
    RatingSnapshot,
    RawItem,
    Rest,
    SourceSpec,
    State,
    Watch,
)

__all__ = [
    "Mark",
    "Page",
    "Parsed",
    "Poller",
    "Position",
    "Request",
    "Source",
    "is_own",
    "on_account",
    "on_server",
    "param",
    "purse",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where in a walk the next page lies: all that a source knows of the past.

    ``lane`` is which of the watch's listings is walked. ``above`` is the mark: only newer items are
    wanted (None = a first run). ``below`` is the last item of the page before, ``token`` what that
    page gave as ``next_page``; both None = the newest page. ``resumed`` says that an earlier run
    began this walk, so that a token may have run out. ``memory`` is what ``parse`` asked to keep.
    """

    now: datetime
    lane: str = ""
    above: Mark | None = None
    below: Mark | None = None
    token: str | None = None
    resumed: bool = False
    closed_at: datetime | None = None
    memory: Mapping[str, Any] = field(default_factory=dict)
    background: bool = False

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
    ratings: tuple[RatingSnapshot, ...] = ()


class Source(ABC):
    """What a file in ``collect/sources/`` brings: most are a ``Poller``, one that does not speak
    HTTP is a collector of its own on the same door to the network.
    """

    spec: SourceSpec  # a class attribute of each source

    def __init__(self, net: Net) -> None:
        self.net = net

    @abstractmethod
    def collect(self, watch: Watch, state: State, *, now: datetime) -> Iterator[Batch]:
        """Yield batches from the state on. Raises SourceError; earlier batches stay valid."""


class Poller(Source):
    """A source that is asked over HTTP and shows its newest items first.

    Subclasses in ``collect/sources/`` are found by themselves. ``conditional`` = the newest page is
    asked with validators, so that a source that has nothing new can say so. ``lookback`` = how far
    below the mark items may still appear (late indexing, back-dated posts): each walk goes down
    that much further. ``apart`` = each lane is a host of its own, so that what one refuses, or puts
    off, says nothing of the others.
    """

    conditional: ClassVar[bool] = False
    lookback: ClassVar[timedelta] = timedelta()
    apart: ClassVar[bool] = False

    @abstractmethod
    def request(self, watch: Watch, at: Position) -> Request:
        """Ask for one page. Raises InvalidInput for parameters that make no sense together."""

    @abstractmethod
    def parse(self, page: Page, watch: Watch, at: Position) -> Parsed:
        """Read one page. A missing key (KeyError …) becomes LayoutChanged in the runner."""

    def lanes(self, watch: Watch) -> Sequence[str]:
        """The listings that the watch walks, each from its own mark: countries, instances,
        services, search terms. Short names that people understand; most sources have one.
        """
        return ("",)

    def check(self, watch: Watch, *, now: datetime) -> None:
        """Raise InvalidInput for parameters that the source could never be asked with; nobody is
        asked.
        """
        for lane in self.lanes(watch)[:1]:
            self.request(watch, Position(now=now, lane=lane))

    def load(self, watch: Watch, at: Position, validators: Mapping[str, Mapping[str, str]]) -> Page:
        """Get one page; sources that speak through a library of their own replace this."""
        request = on_account(self.request(watch, at), watch, background=at.background)
        known = validators.get(_validated(at.lane, request.url)) if self._asks(at) else None
        return self.net.fetch(request, validators=known)

    def collect(self, watch: Watch, state: State, *, now: datetime) -> Iterator[Batch]:
        """Yield one batch a page, newest first, each with the state from which the rest is fetched.

        A walk that an earlier run left open is closed first; then the newest items are walked down
        to the mark. What is too long for a run is handed over as a ``Rest``. One lane that fails
        does not keep the others from being walked. Raises SourceError; what was yielded before
        stays valid.
        """
        run = self._begin(watch, state, now)
        lanes = _in_turn(run.tracks, now)
        failed: SourceError | None = None
        sound = True
        for lane in lanes:
            last = lane == lanes[-1]
            try:
                for batch in self._lane(run, lane):
                    sound = sound and batch.suspect is None
                    ended = last and batch.complete and failed is None and sound
                    yield replace(batch, complete=ended)
            except SourceError as error:
                if self._holds_for_all(error, failed):
                    error.requests += failed.requests if failed else 0
                    raise
                if len(lanes) > 1:
                    error.message = f"{lane}: {error.message}"
                if failed is not None:
                    failed.requests += error.requests
                failed = failed or error
        if failed is not None:
            raise failed

    def _holds_for_all(self, error: SourceError, before: SourceError | None) -> bool:
        """Whether the other lanes need not be asked: they would be told the same.

        Credentials that one lane refuses may lack its permission only; a second one settles it.
        """
        if isinstance(error, BudgetExhausted):
            return True
        if isinstance(error, AuthRejected):
            return isinstance(before, AuthRejected) and not self.apart
        return isinstance(error, RateLimited) and not self.apart

    def peek(self, watch: Watch, *, now: datetime, lanes: int) -> Iterator[Batch]:
        """The newest page of each of the first so many lanes: what a watch would bring.

        A lane that cannot be read is a notice as long as another can. Raises SourceError.
        """
        run = self._begin(watch, State(), now)
        failed: SourceError | None = None
        read = 0
        for lane in list(run.tracks)[:lanes]:
            run.tracks[lane] = cursors.begin(run.tracks[lane], now)
            try:
                for batch in self._walk(run, lane, resumed=False, room=1, rest=False):
                    read += 1
                    yield batch
            except SourceError as error:
                failed = failed or error
                yield Batch(items=(), state=State(), notices=(f"{lane}: {error.message}",))
        if failed is not None and not read:
            raise failed

    def backfill(self, watch: Watch, state: State, *, pages: int, now: datetime) -> Iterator[Batch]:
        """Go on with a ``Rest``: at most so many pages of the walk that its state holds.

        The last batch is ``complete`` when the walk came to its end, was at its end already, or is
        one of a lane that the watch has no more. Raises SourceError.
        """
        run = self._begin(watch, state, now)
        wanted = set(run.tracks)
        for lane, track in cursors.load_lanes(state.cursor).items():
            run.tracks = {lane: track}
            if track.walk is None or lane not in wanted:
                yield Batch(items=(), state=state, complete=True)
            else:
                yield from self._walk(run, lane, resumed=True, room=pages, rest=False)

    def history(self, watch: Watch, state: State, *, now: datetime) -> tuple[Rest, ...]:
        """Walks of all lanes from the top to the bottom, whatever is known already."""
        run = self._begin(watch, state, now)
        return tuple(
            _hand_over(lane, cursors.begin(Track(memory=track.memory), now))
            for lane, track in run.tracks.items()
        )

    def refresh(self, watch: Watch, items: Sequence[Kept], *, now: datetime) -> Iterator[Batch]:
        """Ask about stored items again, for sources that can (``Refreshing``); the batches leave
        the watch's state alone.

        Raises SourceError.
        """
        if not isinstance(self, Refreshing):
            return
        for start in range(0, len(items), self.refresh_size):
            some = items[start : start + self.refresh_size]
            request = on_account(self.ask_again(watch, some, now), watch, background=True)
            page = self.net.fetch(request)
            try:
                parsed = self._read(partial(self.read_again, page, watch, some), page)
            except SourceError as error:
                error.requests = page.requests
                raise
            yield Batch(
                items=parsed.items,
                state=State(),
                notices=parsed.notices,
                requests=page.requests,
            )

    def next_at(self, page: Page, at: Position) -> datetime | None:
        """When the source wants to be asked again at the earliest; asked of unchanged
        pages only.
        """
        return fresh_until(page.headers, page.now)

    def _asks(self, at: Position) -> bool:
        """Whether this page is asked conditionally."""
        return self.conditional and at.first

    def _begin(self, watch: Watch, state: State, now: datetime) -> _Walking:
        known = cursors.load_lanes(state.cursor)
        return _Walking(
            watch=watch,
            now=now,
            tracks={lane: known.get(lane, Track()) for lane in self.lanes(watch)},
            validators={url: dict(given) for url, given in state.validators.items()},
        )

    def _lane(self, run: _Walking, lane: str) -> Iterator[Batch]:
        """Walk one lane: what was left open first, then from the top."""
        if run.tracks[lane].walk is not None:
            yield from self._walk(run, lane, resumed=True, room=self.net.settings.max_pages)
        run.tracks[lane] = cursors.begin(run.tracks[lane], run.now)
        yield from self._walk(run, lane, resumed=False, room=self.net.settings.max_pages)

    def _walk(
        self, run: _Walking, lane: str, *, resumed: bool, room: int, rest: bool = True
    ) -> Iterator[Batch]:
        """Walk down until the way is closed or there is no room for more pages.

        With ``rest`` what lies further down is handed over then, without it the state keeps it.
        """
        tokens: set[str] = set()
        while (track := run.tracks[lane]).walk is not None and room > 0:
            background = resumed and not rest  # a look from the top is somebody's who waits
            at = _position(lane, track, run.now, resumed=resumed, background=background)
            page = self.load(run.watch, at, run.validators)
            room -= 1
            if page.unchanged:
                run.tracks[lane] = cursors.close(track)
                yield Batch(
                    items=(),
                    state=run.state(),
                    complete=True,
                    requests=page.requests,
                    unchanged=True,
                    next_at=self.next_at(page, at),
                )
                return
            try:
                parsed = self._read(partial(self.parse, page, run.watch, at), page)
            except SourceError as error:
                error.requests = page.requests
                raise
            if self._asks(at) and not parsed.suspect:
                run.validators[_validated(lane, page.asked)] = dict(page.validators)
            token = parsed.next_page if parsed.next_page not in tokens else None
            tokens.add(token or "")
            track, gaps = self._take(parsed, track, token, run.now)
            handed: tuple[Rest, ...] = ()
            if rest and room <= 0 and track.walk is not None:
                handed = (_hand_over(lane, track),)
                track = cursors.close(track)
            run.tracks[lane] = track
            yield Batch(
                items=parsed.items,
                state=run.state(),
                complete=track.walk is None and not parsed.suspect and (not rest or not resumed),
                gaps=gaps,
                notices=parsed.notices,
                requests=page.requests,
                suspect=parsed.suspect,
                next_at=parsed.next_at,
                ratings=parsed.ratings,
                rest=handed,
            )

    def _take(
        self, parsed: Parsed, track: Track, token: str | None, now: datetime
    ) -> tuple[Track, tuple[Gap, ...]]:
        """Take a page into the walk, which is closed (None) once it came down far enough."""
        marks = [Mark(item.external_id, item.published_at) for item in parsed.items]
        down = parsed.reached
        if down is None:
            down = cursors.reached(track.mark, marks, self.lookback)
        track = cursors.descend(
            replace(track, memory={**track.memory, **parsed.keep}),
            top=parsed.newest or cursors.newest(marks),
            bottom=parsed.oldest or (marks[-1] if marks else None),
            token=token,
            pending=parsed.keep_when_closed,
        )
        if parsed.suspect:
            # Nothing is taken for seen, so that the next run comes this way again.
            return replace(track, walk=None), parsed.gaps
        if not down and token is not None and not self._is_history(track, now):
            return track, parsed.gaps
        gaps = parsed.gaps
        if parsed.reached is False and token is None:
            hole = cursors.gap(track, GapReason.WINDOW, "The source does not show further back.")
            gaps = (*gaps, hole) if hole else gaps
        return cursors.close(track), gaps

    def _is_history(self, track: Track, now: datetime) -> bool:
        """Whether a first walk is further down than history is wanted."""
        days = self.net.settings.history_days
        bottom = track.walk.bottom.at if track.walk and track.walk.bottom else None
        return track.mark is None and bottom is not None and bottom < now - timedelta(days=days)

    def _read(self, read: Callable[[], Parsed], page: Page) -> Parsed:
        try:
            parsed = read()
            return replace(parsed, items=checked(parsed.items))
        except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
            raise LayoutChanged(
                f"{self.spec.title} answers in an unknown shape: {_missing(error)}.",
                hint="The source may have changed; a newer version of Listener may know it.",
                status=page.status,
            ) from error


@runtime_checkable
class Backfilling(Protocol):
    """A collector that can go on with the rest of a walk (all pollers)."""

    def backfill(self, watch: Watch, state: State, *, pages: int, now: datetime) -> Iterator[Batch]:
        """At most so many pages further down; the last batch is ``complete`` at the end."""
        ...

    def history(self, watch: Watch, state: State, *, now: datetime) -> tuple[Rest, ...]:
        """Walks from the top to the bottom, whatever is known already."""
        ...


@runtime_checkable
class Refreshing(Protocol):
    """A poller whose source can be asked about stored items by their ids."""

    spec: SourceSpec
    refresh_size: ClassVar[int]  # ids in one request

    def ask_again(self, watch: Watch, items: Sequence[Kept], now: datetime) -> Request:
        """Ask about at most ``refresh_size`` items."""
        ...

    def read_again(self, page: Page, watch: Watch, items: Sequence[Kept]) -> Parsed:
        """The items as they are now; those that are gone as deleted ones."""
        ...


@dataclass(slots=True)
class _Walking:
    """A run in progress: the tracks of all lanes and the validators as they stand."""

    watch: Watch
    now: datetime
    tracks: dict[str, Track]
    validators: dict[str, dict[str, str]]

    def state(self) -> State:
        return State(cursor=cursors.dump_lanes(self.tracks), validators=dict(self.validators))


def purse(watch: Watch) -> str:
    """Whose budget a watch uses up: the source's, on one connection."""
    return f"{watch.source}|{watch.connection.id or ''}"


def on_account(request: Request, watch: Watch, *, background: bool = False) -> Request:
    """The request with the account and the purse of the watch's connection."""
    return replace(
        request,
        account=request.account or str(watch.connection.id or ""),
        purse=request.purse or purse(watch),
        background=background,
    )


def is_own(brand: Brand | None, *names: str | None) -> bool:
    """Whether one of the names is a handle of the brand's own, in any case, with or without @."""
    own = {handle.lstrip("@").lower() for handle in brand.handles} if brand else set()
    return any(name.lstrip("@").lower() in own for name in names if name)


def on_server(url: str, watch: Watch) -> str:
    """An address as it is asked: a base URL takes the place of its scheme and host."""
    base = watch.connection.base_url
    if not base:
        return url
    return base.rstrip("/") + urlunsplit(urlsplit(url)._replace(scheme="", netloc=""))


def _validated(lane: str, url: str) -> str:
    """Under what the validators of a newest page are kept: without parameters, which may be
    secret.
    """
    return f"{lane} {url}" if lane else url


def _hand_over(lane: str, track: Track) -> Rest:
    """The walk as it stands, to be gone on with by itself."""
    why = "More than one run walks back; the rest is being back-filled."
    state = State(cursor=cursors.dump_lanes({lane: track}))
    bottom = track.walk.bottom if track.walk else None
    return Rest(
        state=state,
        gap=cursors.gap(track, GapReason.PAGE_CAP, why),
        from_at=bottom.at if bottom else None,
    )


def _position(
    lane: str, track: Track, now: datetime, *, resumed: bool, background: bool
) -> Position:
    walk = track.walk
    return Position(
        now=now,
        lane=lane,
        above=track.mark,
        below=walk.bottom if walk else None,
        token=walk.token if walk else None,
        resumed=resumed,
        closed_at=track.closed_at,
        memory=track.memory,
        background=background,
    )


def _in_turn(tracks: Mapping[str, Track], now: datetime) -> list[str]:
    """The order in which lanes are walked. Where the last run did not come to all of them, this one
    begins elsewhere: else what always stops at the same lane would never come to those after it.
    """
    lanes = list(tracks)
    if len({track.closed_at for track in tracks.values()}) < 2:
        return lanes
    first = random.Random(now.timestamp()).randrange(len(lanes))
    return lanes[first:] + lanes[:first]


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
    if isinstance(error, WrongType):
        return str(error)
    return f"something has another type than expected ({type(error).__name__})"
