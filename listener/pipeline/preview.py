"""What a watch would bring: one batch is collected, matched and read, and nothing is stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from listener.collect.base import Poller
from listener.types import Batch, Brand, Collector, Connection, MatchMode, RawItem, State, Watch

if TYPE_CHECKING:
    from listener.pipeline.collect import Runner

SHOWN = 20
LANES = 4
"""Listings of a watch that are looked into; a preview should be there in seconds."""

_EXCERPT = 300


def preview(
    runner: Runner,
    source: str,
    params: Mapping[str, str],
    *,
    match: MatchMode,
    brand: Brand | None,
    connection: Connection | None = None,
    forecast: Callable[[Watch, Sequence[RawItem]], Mapping[str, Any]] | None = None,
    now: datetime,
) -> dict[str, Any]:
    """The first page of a source, or of the first listings of one, as a watch would see it.

    Gives ``{"found": n, "matched": n, "items": [{"title", "text", "url", "author", "published_at",
    "rating", "matched", "spans", "label", "complaint", "topics"}], "notices": […], "forecast":
    {…}}`` with at most 20 items, the matched ones first; ``forecast`` tells what the watch will use
    up. Raises SourceError.
    """
    watch = runner.resolve(
        Watch(
            id=0,
            source=source,
            params=params,
            match=match,
            every=timedelta(minutes=10),
            connection=connection or Connection(source=source),
            brand=brand,
        )
    )
    batches = _first_pages(runner.collector(source), watch, now)
    found = [item for batch in batches for item in batch.items if not item.deleted]
    ahead = forecast(watch, found) if forecast else None
    cleaned, _ = runner.ingest.clean(found, source, now=now)
    rows = []
    for read in runner.ingest.read(list(cleaned.values()), watch):
        mention = read.mention
        author = mention.author
        own = [m for m in read.matches if brand is None or m.match.brand_id == brand.id]
        reading = own[0].reading if own else read.reading
        rows.append(
            {
                "title": mention.title,
                "text": mention.text[:_EXCERPT],
                "url": mention.url,
                "author": (author.handle or author.name) if author else None,
                "published_at": mention.published_at.isoformat() if mention.published_at else None,
                "rating": mention.rating,
                "rating_max": mention.rating_max,
                "matched": bool(own),
                "spans": [
                    [s.field, s.start, s.end, s.term]
                    for m in own
                    for s in m.match.spans
                    if s.field != "text" or s.end <= _EXCERPT
                ],
                "language": reading.language,
                "label": reading.sentiment.label if reading.sentiment else None,
                "complaint": reading.complaint,
                "topics": list(reading.topics),
            }
        )
    matched = sum(1 for row in rows if row["matched"])
    rows.sort(key=lambda row: not row["matched"])
    return {
        "found": len(rows),
        "matched": matched,
        "items": rows[:SHOWN],
        "notices": [
            notice
            for batch in batches
            for notice in (*batch.notices, *([batch.suspect] if batch.suspect else []))
        ],
        "forecast": ahead,
    }


def _first_pages(collector: Collector, watch: Watch, now: datetime) -> list[Batch]:
    """The newest page, of a few lanes where there are several. Raises SourceError."""
    if isinstance(collector, Poller):
        return list(collector.peek(watch, now=now, lanes=LANES))
    batches = collector.collect(watch, State(), now=now)
    batch = next(iter(batches), None)
    close = getattr(batches, "close", None)
    if close is not None:
        close()  # one page is enough; a spider's process ends here
    return [batch] if batch is not None else []
