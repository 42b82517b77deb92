"""Matches what is stored anew, after a brand was made, changed or archived."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from listener.pipeline.ingest import Ingest
from listener.store import brands, mentions

_CHUNK = 500


def rematch_if_needed(ingest: Ingest, *, now: datetime) -> int:
    """Match all that is stored anew if a word of any brand changed since that was done last.

    Gives how many mentions changed their brands. A change that comes while this is at work is seen
    by the next call. Raises StorageError.
    """
    with ingest.database.read() as session:
        wanted = brands.fingerprint(session)
        if brands.matched_for(session) == wanted:
            return 0
    changed = rematch(ingest, now=now)
    with ingest.database.write() as work:
        brands.set_matched_for(work.session, wanted)
        work.commit()
    return changed


def rematch(
    ingest: Ingest,
    *,
    now: datetime,
    progress: Callable[[int], None] = lambda _mentions: None,
) -> int:
    """Match every stored mention by the brands as they are now; gives how many changed their
    brands.

    So a brand made today finds what was collected before, as long as it is kept
    (Settings.unmatched_days). Readers of the feed are told of each mention that came or left.
    ``progress`` hears how many mentions were looked at. Doing it again changes nothing, and broken
    off it may begin anew. Raises StorageError.
    """
    changed = after_id = seen = 0
    while True:
        with ingest.database.read() as session:
            page = mentions.page(session, after_id=after_id, limit=_CHUNK)
        if not page:
            return changed
        changed += ingest.rematch(
            {mentions.identity_of(mention): mention for _, mention in page}, now=now
        )
        after_id = page[-1][0]
        seen += len(page)
        progress(seen)
