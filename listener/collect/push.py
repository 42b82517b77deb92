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
        push="‘웹훅 받기’나 `listener inbound add`로 만드세요."
        " Set one up under “Inbound webhooks” or with `listener inbound add`.",
        cost="무료. Free.",
        limits="한 번에 1MB와 1,000건, 웹훅마다 1분에 600번까지."
        " 1 MB and 1,000 items a delivery, 600 deliveries a minute and endpoint.",
        terms="필요한 만큼만 보내세요. Send no more of a person than you need.",
    ),
    SourceSpec(
        name="file",
        title="File (CSV, TSV, JSONL)",
        title_ko="파일 (CSV·TSV·JSONL)",
        every=timedelta(),
        kind=Kind.REVIEW,
        default_match=MatchMode.ALL,
        push="`listener ingest FILE`로 읽으세요. Read one with `listener ingest FILE`.",
        cost="무료. Free.",
        limits="디스크 용량까지. None but the disk.",
        terms="쓸 권리가 있는 파일만 읽으세요. Files that you may use.",
    ),
)
