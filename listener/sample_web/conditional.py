"""Conditional GET: the same bytes are sent once, then only `304 Not Modified`."""

from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from hashlib import sha256

from starlette.requests import Request
from starlette.responses import Response


def conditional(
    request: Request, body: bytes, *, changed: datetime, media_type: str, max_age: int = 30
) -> Response:
    """`body` with its validators, or 304 when the caller has it already.

    If-None-Match wins over If-Modified-Since, as RFC 9110 has it.
    """
    etag = f'"{sha256(body).hexdigest()[:20]}"'
    changed = changed.astimezone(UTC).replace(microsecond=0)
    headers = {
        "ETag": etag,
        "Last-Modified": format_datetime(changed, usegmt=True),
        "Cache-Control": f"max-age={max_age}",
    }
    told = request.headers.get("if-none-match")
    if told is not None:
        known = {part.strip().removeprefix("W/") for part in told.split(",")}
        unchanged = etag in known or "*" in known
    else:
        since = _date(request.headers.get("if-modified-since"))
        unchanged = since is not None and since >= changed
    if unchanged:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=media_type)


def _date(raw: str | None) -> datetime | None:
    if raw is None:
        return None
    try:
        at = parsedate_to_datetime(raw)
    except ValueError:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
