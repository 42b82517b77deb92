"""The one write path: what a collector yields becomes stored, matched and read mentions.

Cleaning, matching and reading happen before any lock; then one transaction takes the mentions, the
marks of stale buckets, the cursor, and last the changes, or nothing of it all. Running the same
batch again changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from listener.errors import InvalidInput, StorageError
from listener.match.matcher import Matcher
from listener.pipeline.event_time import event_times
from listener.pipeline.readers import Always, Now, Reading, Shelf
from listener.screen.personal import mask, mask_all
from listener.settings import Settings, masked_kinds
from listener.store import (
    backfills,
    brands,
    buckets,
    changes,
    gaps,
    generations,
    mentions,
    runs,
    watches,
)
from listener.store.backfills import BackfillClaim
from listener.store.base import from_us, to_us
from listener.store.killpoints import reach
from listener.store.mentions import Context, Identity, Incoming, Known, Stale, Stored, identity_of
from listener.store.ratings import record as record_ratings
from listener.store.work import Database, is_deadlock
from listener.text import to_mention
from listener.types import (
    Batch,
    Brand,
    Claim,
    Match,
    MatchMode,
    MatchOrigin,
    Mention,
    Precision,
    RawItem,
    ReadMention,
    Watch,
)

log = logging.getLogger(__name__)

_TRIES = 5
_MAX_KEY_BYTES = 2_000  # of namespace and id together; PostgreSQL indexes at most 2,704 bytes


class Pseudonyms(Protocol):
    """What names authors toward the outside (``security.Secrets``)."""

    def pseudonym(self, source: str, namespace: str, native_id: str) -> str:
        """The same for the same author, and not reversible."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where items come from. ``brand``: all of them belong to it, whatever they say."""

    source: str
    brand: Brand | None = None
    covered_to: datetime | None = None  # the watch had seen everything up to then
    upto: datetime | None = None  # nothing is later; None = it may be from now
    watch_id: int | None = None
    run_id: int | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """An item that cannot be stored: its place in the batch, and why."""

    at: int
    why: InvalidInput


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What became of a batch. ``seen`` were known and unchanged."""

    items: int = 0
    new: int = 0
    edited: int = 0
    seen: int = 0
    deleted: int = 0
    rematched: int = 0  # of the seen: belong to other brands by now
    rejected: tuple[Rejected, ...] = ()


class Ingest:
    """The write path of an install. May be shared by threads."""

    def __init__(
        self,
        database: Database,
        reader: Reading | Shelf,
        settings: Settings,
        secrets: Pseudonyms,
    ) -> None:
        self.database = database
        self._readers = reader if isinstance(reader, Shelf) else Always(reader)
        self._secrets = secrets
        self.zone = ZoneInfo(settings.timezone)
        self._unmatched = timedelta(days=settings.unmatched_days)
        self._history = timedelta(days=settings.history_days)
        self._masked = masked_kinds(settings.mask)
        self._matcher: tuple[object, Matcher] = ((), Matcher(()))  # compiled for these versions
        self._rematcher: tuple[object, Matcher] = ((), Matcher(()))

    def batch(
        self,
        batch: Batch,
        watch: Watch,
        claim: Claim,
        *,
        covered_to: datetime | None,
        now: datetime,
        lease: timedelta | None = None,
    ) -> Report:
        """Store a batch and where its watch stands, or neither.

        ``lease`` renews the claim. Raises ClaimLost, StorageError; an item that cannot be used is
        counted and left out.
        """
        origin = Origin(
            source=watch.source,
            brand=watch.brand if watch.match is MatchMode.ALL else None,
            covered_to=covered_to,
            watch_id=watch.id,
            run_id=claim.run_id,
        )

        def before(session: Session) -> None:
            watches.check_claim(session, claim, now=now, lease=lease)

        def after(session: Session, report: Report) -> None:
            gaps.record(session, watch.id, claim.run_id, batch.gaps, now=now)
            backfills.hand_over(session, watch.id, claim.run_id, batch.rest, now=now)
            record_ratings(session, watch.id, batch.ratings, now=now)
            watches.advance(session, claim, batch.state, last_item_at=_latest(batch.items, now=now))
            runs.count(
                session,
                claim.run_id,
                requests=batch.requests,
                items=report.items,
                new=report.new,
                edited=report.edited,
                rejected=len(report.rejected),
                notices=[*batch.notices, *(str(r.why) for r in report.rejected)],
            )

        return self._store(batch.items, origin, before=before, after=after, now=now)

    def backfill(
        self, batch: Batch, watch: Watch, claim: BackfillClaim, *, now: datetime, lease: timedelta
    ) -> Report:
        """Store a batch of a back-fill and how far it is, or neither.

        Raises ClaimLost, StorageError.
        """
        origin = Origin(
            source=watch.source,
            brand=watch.brand if watch.match is MatchMode.ALL else None,
            covered_to=claim.since or claim.until - self._history,
            upto=claim.until,
            watch_id=watch.id,
        )

        def before(session: Session) -> None:
            backfills.check_claim(session, claim, now=now, lease=lease)

        def after(session: Session, report: Report) -> None:
            gaps.record(session, watch.id, None, batch.gaps, now=now)
            backfills.advance(
                session,
                claim,
                batch.state,
                requests=batch.requests,
                items=report.items,
                new=report.new,
                reached_at=_earliest(batch.items),
            )

        return self._store(batch.items, origin, before=before, after=after, now=now)

    def items(self, items: Sequence[RawItem], origin: Origin, *, now: datetime) -> Report:
        """Store items that no watch brought. Raises StorageError."""
        return self._store(items, origin, before=lambda _: None, after=lambda _, __: None, now=now)

    def clean(
        self, items: Iterable[RawItem], source: str, *, now: datetime
    ) -> tuple[dict[Identity, Mention], tuple[Rejected, ...]]:
        """Mentions of raw items, without the personal data that is to be masked, and those items
        that cannot be used. Of one identity the last counts.
        """
        cleaned, rejected = clean(items, source, now)
        if self._masked:
            cleaned = {one: _masked(mention, self._masked) for one, mention in cleaned.items()}
        return cleaned, rejected

    def read(self, cleaned: Sequence[Mention], watch: Watch) -> list[ReadMention]:
        """Match and read mentions as the watch's, without storing anything."""
        origin = Origin(
            source=watch.source, brand=watch.brand if watch.match is MatchMode.ALL else None
        )
        with self.database.read() as session:
            matcher = self._current_matcher(session)
            reader = self._readers.now(session).own
        matches = [self._match(matcher, mention, origin, None) for mention in cleaned]
        return reader.read(cleaned, matches)

    def rematch(self, stored: Mapping[Identity, Mention], *, now: datetime) -> int:
        """Match stored mentions by the brands as they are now; gives how many changed their brands.

        Raises StorageError.
        """
        if not stored:
            return 0
        origin = Origin(source=next(iter(stored.values())).source)
        told: list[int] = []

        def after(_: Session, report: Report) -> None:
            told.append(report.rematched)

        self._write(
            lambda: self._read_again(stored),
            origin,
            Report(items=len(stored)),
            before=lambda _: None,
            after=after,
            now=now,
        )
        return told[-1]

    def _store(
        self,
        items: Sequence[RawItem],
        origin: Origin,
        *,
        before: _Before,
        after: _After,
        now: datetime,
    ) -> Report:
        cleaned, rejected = self.clean(items, origin.source, now=now)
        reach("ingest.cleaned")
        return self._write(
            lambda: self._read(cleaned, origin, now),
            origin,
            Report(items=len(items), rejected=rejected),
            before=before,
            after=after,
            now=now,
        )

    def _write(
        self,
        read: Callable[[], tuple[Now, list[Incoming]]],
        origin: Origin,
        report: Report,
        *,
        before: _Before,
        after: _After,
        now: datetime,
    ) -> Report:
        """Read without a lock, then store all in one transaction; again if others came between."""
        for _ in range(_TRIES):
            by, incoming = read()
            reach("ingest.read")
            try:
                with self.database.write() as work:
                    before(work.session)
                    reach("ingest.begun")
                    stored = self._upsert(work.session, incoming, by, origin, now)
                    buckets.mark_dirty(work.session, stored.marks)
                    reach("ingest.marked")
                    report = replace(
                        report,
                        new=stored.new,
                        edited=stored.edited,
                        seen=stored.seen,
                        deleted=stored.deleted,
                        rematched=stored.rematched,
                    )
                    after(work.session, report)
                    reach("ingest.advanced")
                    changes.record(work.session, stored.happenings, now=now)
                    reach("ingest.recorded")
                    work.commit()
                reach("ingest.committed")
                return report
            except (Stale, IntegrityError) as error:
                log.info("a batch is read again: %s", type(error).__name__)
            except StorageError as error:
                if not is_deadlock(error):
                    raise
                log.info("a batch is read again: deadlock")
        raise StorageError("Other writers kept changing the same mentions.", hint="Try again.")

    def _upsert(
        self,
        session: Session,
        incoming: Sequence[Incoming],
        by: Now,
        origin: Origin,
        now: datetime,
    ) -> Stored:
        ids = generations.to_write(session, by.own.versions, now=now, rules=by.rules)
        if len(ids) > 1 and ids[1] != by.in_force:
            raise Stale  # another generation was put in force since they were read
        context = Context(
            generation_ids=ids,
            now=now,
            expires_at=now + self._unmatched,
            pseudonym=self._secrets.pseudonym,
            watch_id=origin.watch_id,
            run_id=origin.run_id,
        )
        return mentions.upsert(session, incoming, context)

    def _read(
        self, cleaned: dict[Identity, Mention], origin: Origin, now: datetime
    ) -> tuple[Now, list[Incoming]]:
        """Match and read what the store does not have like this already."""
        with self.database.read() as session:
            matcher = self._current_matcher(session)
            by = self._readers.now(session)
            known = mentions.known(session, cleaned)
        timed = self._timed(cleaned, known, origin, now)
        wanted: dict[Identity, tuple[Match, ...]] = {}
        for identity, mention in timed.items():
            if not mention.deleted:
                had = known.get(identity)
                matches = self._match(matcher, mention, origin, had)
                if _is_news(mention, matches, had):
                    wanted[identity] = matches
        read, beside = _read_by(by, timed, wanted)
        return by, [
            Incoming(
                identity, mention, known.get(identity), read.get(identity), beside.get(identity)
            )
            for identity, mention in timed.items()
        ]

    def _read_again(self, stored: Mapping[Identity, Mention]) -> tuple[Now, list[Incoming]]:
        """Those whose brands are others by now, read toward these."""
        with self.database.read() as session:
            # What was found for a brand stays when the brand is archived; nothing is added to it.
            every = brands.listing(session, archived=True)
            current = {brand.id for brand in brands.listing(session)}
            by = self._readers.now(session)
            known = mentions.known(session, stored)
        matcher = self._matcher_of(every)
        wanted: dict[Identity, tuple[Match, ...]] = {}
        for identity, mention in stored.items():
            had = known.get(identity)
            # Gone or edited meanwhile: whoever did that has matched it.
            if had is not None and had.content_hash == mention.content_hash:
                found = self._match(matcher, mention, Origin(source=mention.source), had)
                matches = tuple(
                    match
                    for match in found
                    if match.brand_id in current or match.brand_id in had.matches
                )
                if {match.brand_id for match in matches} != set(had.matches):
                    wanted[identity] = matches
        read, beside = _read_by(by, stored, wanted)
        return by, [
            Incoming(one, stored[one], known[one], read[one], beside.get(one)) for one in wanted
        ]

    def _current_matcher(self, session: Session) -> Matcher:
        versions = brands.versions(session)
        if versions != self._matcher[0]:
            self._matcher = (versions, Matcher(brands.listing(session)))
        return self._matcher[1]

    def _matcher_of(self, every: Sequence[Brand]) -> Matcher:
        """For all brands, archived ones too; compiled once for a walk over what is stored."""
        key = tuple(every)
        if key != self._rematcher[0]:
            self._rematcher = (key, Matcher(every))
        return self._rematcher[1]

    def _match(
        self, matcher: Matcher, mention: Mention, origin: Origin, known: Known | None
    ) -> tuple[Match, ...]:
        """By terms to any brand; besides to those on whose own watches it was found, now or
        before.
        """
        by_terms = matcher.match(mention)
        before = known.matches if known else {}
        if mention.excerpt:
            # Another part of the text names other brands; those found in an earlier one stay.
            named = {match.brand_id for match in by_terms}
            kept = (b for b, why in before.items() if why == MatchOrigin.TERM and b not in named)
            by_terms = (*by_terms, *(Match(brand_id=b, origin=MatchOrigin.TERM) for b in kept))
        owners = {brand_id for brand_id, why in before.items() if why == MatchOrigin.WATCH}
        if origin.brand is not None:
            owners.add(origin.brand.id)
        if not owners:
            return by_terms
        spans = {match.brand_id: match.spans for match in by_terms}
        by_watch = (
            Match(brand_id=brand_id, origin=MatchOrigin.WATCH, spans=spans.get(brand_id, ()))
            for brand_id in sorted(owners)
        )
        return (*by_watch, *(match for match in by_terms if match.brand_id not in owners))

    def _timed(
        self,
        cleaned: dict[Identity, Mention],
        known: dict[Identity, Known],
        origin: Origin,
        now: datetime,
    ) -> dict[Identity, Mention]:
        """The mentions with their ``event_at``: that of a known one stays, unless its date
        moved.
        """
        timed = dict(cleaned)
        open_: list[Identity] = []
        for identity, mention in cleaned.items():
            had = known.get(identity)
            if had is not None and not _was_moved(mention, had):
                timed[identity] = replace(mention, event_at=from_us(had.event_us))
            elif mention.event_at is None:
                open_.append(identity)
        times = event_times(
            [cleaned[one] for one in open_],
            covered_to=origin.covered_to,
            now=min(origin.upto or now, now),
            zone=self.zone,
        )
        for identity, moment in zip(open_, times, strict=True):
            timed[identity] = replace(cleaned[identity], event_at=moment)
        return timed


def _read_by(
    by: Now, stored: Mapping[Identity, Mention], wanted: Mapping[Identity, tuple[Match, ...]]
) -> tuple[dict[Identity, ReadMention], dict[Identity, ReadMention]]:
    """As the present reader reads them, and as the generation in force does if it is another."""
    texts, matches = [stored[one] for one in wanted], list(wanted.values())
    read = dict(zip(wanted, by.own.read(texts, matches), strict=True))
    if by.beside is None:
        return read, {}
    return read, dict(zip(wanted, by.beside.read(texts, matches), strict=True))


class _Before(Protocol):
    def __call__(self, session: Session, /) -> None: ...


class _After(Protocol):
    def __call__(self, session: Session, report: Report, /) -> None: ...


def clean(
    items: Iterable[RawItem], source: str, now: datetime
) -> tuple[dict[Identity, Mention], tuple[Rejected, ...]]:
    """Mentions of raw items, and those items that cannot be used. Of one identity the last
    counts.
    """
    cleaned: dict[Identity, Mention] = {}
    rejected: list[Rejected] = []
    for at, item in enumerate(items):
        try:
            mention = to_mention(item, source, now)
            _check_key(mention)
        except InvalidInput as error:
            rejected.append(Rejected(at, error))
        else:
            cleaned[identity_of(mention)] = mention
    return cleaned, tuple(rejected)


def _masked(mention: Mention, kinds: Collection[str]) -> Mention:
    """The same with personal data masked. The content hash stays that of the text as it came, so
    that another setting later makes no edit of what has not changed.
    """
    text, title = mask(mention.text, kinds), mention.title and mask(mention.title, kinds)
    # The record may hold what the text does not: an excerpt's whole text, a customer's number.
    raw = mask_all(mention.raw, kinds) if mention.raw else mention.raw
    if text == mention.text and title == mention.title and raw == mention.raw:
        return mention
    return replace(mention, text=text, title=title, raw=raw)


def _check_key(mention: Mention) -> None:
    if len(mention.external_id) + len(mention.namespace) > _MAX_KEY_BYTES // 4:
        key = mention.namespace + mention.external_id
        if len(key.encode()) > _MAX_KEY_BYTES:
            raise InvalidInput("The item's id is too long.", field="external_id")


def _is_news(mention: Mention, matches: Sequence[Match], known: Known | None) -> bool:
    """Whether the store does not have it like this: a text, a brand, or a better reason for one."""
    return (
        known is None
        or known.content_hash != mention.content_hash
        or any(
            known.matches.get(match.brand_id) not in (match.origin, MatchOrigin.WATCH)
            for match in matches
        )
    )


def _was_moved(mention: Mention, known: Known) -> bool:
    """Whether an edit brought another date. Only the content makes an edit."""
    return (
        mention.content_hash != known.content_hash
        and mention.published_precision is not Precision.NONE
        and mention.published_at is not None
        and to_us(mention.published_at) != known.published_us
    )


def _earliest(items: Iterable[RawItem]) -> datetime | None:
    """When the earliest item was published, as far as that is told."""
    return min(
        (i.published_at for i in items if i.published_at and i.published_at.tzinfo), default=None
    )


def _latest(items: Iterable[RawItem], *, now: datetime) -> datetime | None:
    """When the latest item was published, as far as that is told."""
    dates = [item.published_at for item in items if item.published_at and not item.deleted]
    return min(max((d for d in dates if d.tzinfo), default=now), now) if dates else None
