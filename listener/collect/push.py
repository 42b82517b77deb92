"""Sources that are not asked but come by themselves: webhooks that others post to, and files.

They have a spec like all others, so that lists, forms and docs know them, and no collector. Nobody
waits for them: what they bring counts, and a quiet one is no gap.
"""

from __future__ import annotations

from datetime import timedelta

from listener.types import Kind, MatchMode, SourceSpec

PUSHED = (
    SourceSpec(
        name="webhook",
        title="Webhook (surveys, helpdesks)",
        title_ko="웹훅 받기 (설문·고객센터)",
        every=timedelta(),
        kind=Kind.SURVEY,
        default_match=MatchMode.ALL,
        push="Set one up under “Inbound webhooks” or with `listener inbound add`.",
        cost="Free.",
        limits="1 MB and 1,000 items a delivery, 600 deliveries a minute and endpoint.",
        terms="You decide what is sent; send no more of a person than you need.",
    ),
    SourceSpec(
        name="file",
        title="File (CSV, TSV, JSONL)",
        title_ko="파일 (CSV·TSV·JSONL)",
        every=timedelta(),
        kind=Kind.REVIEW,
        default_match=MatchMode.ALL,
        push="Read one with `listener ingest FILE`.",
        cost="Free.",
        limits="None but the disk.",
        terms="Files that you may use.",
    ),
)
