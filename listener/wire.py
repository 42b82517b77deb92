"""Raw items as JSON lines: how spiders hand what they found to the process that stores it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from listener.errors import LayoutChanged
from listener.types import Gap, RatingSnapshot, RawItem, SourceSpec

_ITEM: TypeAdapter[RawItem] = TypeAdapter(RawItem)


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlJob:
    """What a spider is to do. It holds no secret, as it is written to a file."""

    source: str
    params: Mapping[str, str]
    cursor: Mapping[str, Any]
    validators: Mapping[str, Mapping[str, str]]
    now: datetime
    user_agent: str
    max_pages: int
    max_bytes: int
    timeout_s: float
    private_hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlReport:
    """How a crawl went. ``error`` is the code of a SourceError, with its words beside it."""

    cursor: Mapping[str, Any]
    validators: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    complete: bool = False
    unchanged: bool = False
    requests: int = 0
    items: int = 0
    gaps: tuple[Gap, ...] = ()
    notices: tuple[str, ...] = ()
    suspect: str | None = None
    ratings: tuple[RatingSnapshot, ...] = ()
    error: str | None = None
    message: str = ""
    hint: str | None = None
    status: int | None = None
    retry_at: datetime | None = None


JOB: TypeAdapter[CrawlJob] = TypeAdapter(CrawlJob)
REPORT: TypeAdapter[CrawlReport] = TypeAdapter(CrawlReport)
SPECS: TypeAdapter[list[SourceSpec]] = TypeAdapter(list[SourceSpec])


def dump_item(item: RawItem) -> bytes:
    """One line without its end; what is at its default is left out."""
    return _ITEM.dump_json(item, exclude_defaults=True)


def load_item(line: bytes) -> RawItem:
    """The item of a line. Raises LayoutChanged when it is none."""
    try:
        return _ITEM.validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the line"
        raise LayoutChanged(
            f"A spider gave an item that is not one: {where}: {first['msg']}"
        ) from error
