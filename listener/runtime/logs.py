"""Structured logs: one JSON object a line (or plain words on a terminal), with secrets left out."""

from __future__ import annotations

import logging
import re
import sys
from datetime import UTC, datetime

import orjson

# A query parameter, header or URL part that may carry a secret, wherever it shows up in a message.
_SECRET = re.compile(
    r"(?i)((?:key|token|secret|password|passwd|authorization|credential|signature|sig)"
    r"[\"']?\s*[=:]\s*[\"']?(?:bearer\s+|basic\s+)?)[^\s\"'&,;}]+"
)
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[a-z0-9._~+/=-]{8,}")
_USERINFO = re.compile(r"(?i)(\b[a-z][a-z0-9+.-]*://)[^/\s@]+@")
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


def redact(text: str) -> str:
    """The text with everything that looks like a secret replaced by ``***``."""
    text = _BEARER.sub(r"\1 ***", text)
    text = _SECRET.sub(r"\1***", text)
    return _USERINFO.sub(r"\1***@", text)


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry.update({k: v for k, v in record.__dict__.items() if k not in _STANDARD})
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return redact(orjson.dumps(entry, default=str).decode())


class _Plain(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        extra = " ".join(f"{k}={v}" for k, v in record.__dict__.items() if k not in _STANDARD)
        at = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        line = f"{at} {record.levelname.lower():7} {record.getMessage()} {extra}".rstrip()
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return redact(line)


def setup(level: str, *, json_lines: bool | None = None) -> None:
    """Send all logs to standard error: JSON lines, or plain words when that is a terminal."""
    handler = logging.StreamHandler()
    as_json = not sys.stderr.isatty() if json_lines is None else json_lines
    handler.setFormatter(_Json() if as_json else _Plain())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Apprise names whole addresses when it complains; what it says is kept with the delivery.
    logging.getLogger("apprise").propagate = False
    # It warns at each tick that falls into a long one: that is what ticks are for.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    for noisy in ("urllib3", "uvicorn.access", "tweepy", "alembic"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
