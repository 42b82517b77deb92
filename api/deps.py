"""What every route needs: the services of the install, threads for the feed, paging, JSON."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Generic, Literal, ParamSpec, Protocol, TypeVar

import orjson
from fastapi import Depends, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError
from sqlalchemy.orm import Session
from starlette.responses import Response

from listener.errors import InvalidInput
from listener.security import Secrets
from listener.settings import Settings
from listener.store.feed import FeedReader
from listener.store.tables import SpikeRow
from listener.store.work import Database
from listener.types import Brand, MatchMode

P = ParamSpec("P")
T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


class Lane:
    """Threads of its own for the query that pollers send all day.

    One for SQLite: the query takes a millisecond of this process, so that many threads under one
    interpreter lock cost more than they bring. A few for PostgreSQL, which works on several at
    once. A slow query holds up other pages, but never the event loop and all else.
    """

    def __init__(self, threads: int) -> None:
        self._thread = ThreadPoolExecutor(threads, thread_name_prefix="feed-reader")

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call it in one of the threads and wait for the result."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: call(*args, **kwargs))

    def close(self) -> None:
        """Let the threads go."""
        self._thread.shutdown()


class CheckedWatch(Protocol):
    """A watch's parameters after checking, with the source's defaults filled in."""

    @property
    def params(self) -> Mapping[str, str]: ...
    @property
    def match(self) -> MatchMode: ...
    @property
    def every(self) -> timedelta: ...


class MadeChannel(Protocol):
    """A new channel, and the signing secret made for it."""

    @property
    def id(self) -> int: ...
    @property
    def secret(self) -> str | None: ...


class MadeInbound(Protocol):
    """A new inbound webhook: where to post to, and the secret made for it."""

    @property
    def id(self) -> int: ...
    @property
    def address(self) -> str: ...
    @property
    def secret(self) -> str: ...


class ConnectionFacts(Protocol):
    """A connection as it is shown: never its secrets."""

    @property
    def id(self) -> int | None: ...
    @property
    def source(self) -> str: ...
    @property
    def name(self) -> str: ...

    def as_json(self) -> dict[str, Any]:
        """Plain JSON, with what it used up."""
        ...


class Connections(Protocol):
    """Connections as people handle them."""

    def listing(self, *, source: str | None = None) -> Sequence[ConnectionFacts]:
        """All, or those of a source."""
        ...

    def facts(self, connection_id: int) -> ConnectionFacts:
        """One. Raises NotFound."""
        ...

    def add(self, source: str, **typed: Any) -> int:
        """Save a new one. Raises InvalidInput, Conflict, TargetForbidden."""
        ...

    def change(self, connection_id: int, **typed: Any) -> None:
        """Change one; what is left out stays. Raises NotFound, InvalidInput, Conflict."""
        ...

    def remove(self, connection_id: int) -> None:
        """Remove one. Raises NotFound, Conflict."""
        ...


# What is counted: every mention, copies of one text once, or everybody who wrote once.
By = Literal["posts", "stories", "authors"]


class Wiring(Protocol):
    """What the API asks of the core's wiring: the parts, and what needs sources or the network
    guard.
    """

    settings: Settings
    database: Database
    clock: Callable[[], datetime]

    @property
    def secrets(self) -> Secrets: ...
    @property
    def connections(self) -> Connections: ...

    def count_distinct(
        self,
        session: Session,
        brand_id: int,
        since: datetime,
        until: datetime,
        *,
        by: By,
        places: Callable[[int], int],
        wanted: Collection[str] | None = None,
    ) -> Mapping[str, Mapping[int, int]]:
        """How many posts, stories or authors of [since, until) there are, by dimension and place;
        ``places`` gives the place of a time in microseconds.
        """
        ...

    def spike_filter(self, row: SpikeRow, *, now: datetime) -> dict[str, str]:
        """The filter of a spike's mentions, as parameters of ``/api/v1/mentions``."""
        ...

    def recount_spike(self, session: Session, row: SpikeRow, *, now: datetime) -> dict[str, Any]:
        """What drives a spike in numbers of this moment: those of the mentions of its filter."""
        ...

    def source_specs(self) -> Sequence[Mapping[str, Any]]:
        """Every source's spec as JSON."""
        ...

    def check_watch(
        self,
        source: str,
        params: Mapping[str, str],
        *,
        match: str | None,
        every: float | None,
        brand: Brand | None = None,
    ) -> CheckedWatch:
        """Check a watch before it is saved; ``every`` in minutes. Raises InvalidInput."""
        ...

    def add_channel(
        self, *, name: str, address: str, kind: str = "", language: str = "", secret: str | None
    ) -> MadeChannel:
        """Save a channel, its secrets encrypted. Raises InvalidInput, TargetForbidden."""
        ...

    def inbound_presets(self) -> Sequence[Mapping[str, Any]]:
        """Ready-made mappings of well-known senders, as JSON."""
        ...

    def check_mapping(self, mapping: Any) -> Mapping[str, Any]:
        """A mapping as it is stored. Raises InvalidInput that names the field."""
        ...

    def preview_inbound(self, mapping: Any, body: bytes, content_type: str) -> Mapping[str, Any]:
        """What a mapping makes of a payload, nothing stored. Raises InvalidInput."""
        ...

    def inbound_address(self, public_id: str, secret: str = "") -> str:
        """Where senders post to."""
        ...

    def add_inbound(
        self,
        *,
        name: str,
        preset: str = "generic",
        brand_id: int | None = None,
        match: str | None = None,
        scheme: str | None = None,
        secret: str | None = None,
        mapping: Any = None,
    ) -> MadeInbound:
        """Save an inbound webhook, its secret encrypted. Raises InvalidInput, Conflict."""
        ...

    def close(self) -> None:
        """Give back connections."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What the app is built of; ``create_app`` puts it into ``app.state.services``."""

    settings: Settings
    database: Database
    secrets: Secrets
    clock: Callable[[], datetime]
    wiring: Wiring
    lane: Lane
    reader: FeedReader


def get_services(request: Request) -> Services:
    """The services of the app that answers this request."""
    services = request.app.state.services
    assert isinstance(services, Services)  # noqa: S101 - create_app put it there
    return services


async def _services(request: Request) -> Services:
    # async, because FastAPI runs sync dependencies in a thread each
    return get_services(request)


async def _now(request: Request) -> datetime:
    return get_services(request).clock()


ServicesDep = Annotated[Services, Depends(_services)]
Now = Annotated[datetime, Depends(_now)]


class Json(Response):
    """JSON by orjson: dataclasses and aware datetimes as they are."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return dumps(content)


def dumps(content: Any) -> bytes:
    """JSON bytes; times end in Z."""
    return orjson.dumps(content, option=orjson.OPT_UTC_Z)


# --- query parameters ----------------------------------------------------------------------------


async def known_query(request: Request) -> None:
    """Refuse query parameters that the route does not know: a misspelt filter must not widen a
    result.
    """
    if not request.scope["query_string"]:
        return
    route = request.scope["route"]
    names: dict[int, frozenset[str]] = request.app.state.query_names
    known = names.get(id(route))
    if known is None:
        told = (route.openapi_extra or {}).get("parameters", ())
        names_told = {parameter["name"] for parameter in told}
        known = names[id(route)] = frozenset(_query_names(route.dependant) | names_told)
    for name, value in request.query_params.multi_items():
        if "\0" in value:
            raise InvalidInput("There is a NUL character in it.", field=name, hint="Leave it out.")
        if name not in known:
            raise InvalidInput(
                f"There is no parameter {name!r} here.",
                field=name,
                hint=f"Parameters are: {', '.join(sorted(known))}." if known else "It takes none.",
            )


def _query_names(dependant: Any) -> set[str]:
    names: set[str] = set()
    for field in dependant.query_params:
        annotation = field.field_info.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            names |= {info.alias or name for name, info in annotation.model_fields.items()}
        else:
            names.add(field.alias)
    for inner in dependant.dependencies:
        names |= _query_names(inner)
    return names


def parameters_of(model: type[BaseModel]) -> list[dict[str, Any]]:
    """The OpenAPI parameters of a query that a route parses itself, for ``openapi_extra``."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "description": told.pop("description"),
            "schema": told,
        }
        for name, told in schema["properties"].items()
    ]


def parsed_query(request: Request, model: type[M]) -> M:
    """The query parameters as the model has them. Raises RequestValidationError.

    What FastAPI does for each field by itself costs as much as a short query (measured 2026-11).
    """
    try:
        return model.model_validate(dict(request.query_params))
    except ValidationError as error:
        problems = [{**one, "loc": ("query", *one["loc"])} for one in error.errors()]
        raise RequestValidationError(problems) from error


class PageQuery(BaseModel):
    """Where a list goes on, and how much of it to tell."""

    limit: int = Field(50, ge=1, le=500, description="Most items to answer.")
    cursor: str | None = Field(
        None, max_length=200, description="`next_cursor` of the page before; leave out to begin."
    )


Paging = Annotated[PageQuery, Query()]


class Page(BaseModel, Generic[T]):
    """One page of a list."""

    items: list[T]
    next_cursor: str | None = Field(description="Send it as `cursor` for more; null at the end.")


def key_of(cursor: str | None, name: str) -> int | None:
    """The row id that a list's cursor stands for.

    Raises InvalidInput when it belongs to another list.
    """
    if cursor is None:
        return None
    kind, _, value = decode_cursor(cursor).partition(":")
    if kind != name or not value.isdecimal() or len(value) > 18:
        raise InvalidInput(
            "This cursor is not of this list.", field="cursor", hint="Begin without a cursor."
        )
    return int(value)


def page_of(items: Sequence[Any], *, limit: int, name: str, key: Callable[[Any], int]) -> Json:
    """A page out of ``limit + 1`` rows that were asked for: the one too many tells that there is
    more.
    """
    more = len(items) > limit
    shown = items[:limit]
    cursor = encode_cursor(f"{name}:{key(shown[-1])}") if more else None
    return Json({"items": shown, "next_cursor": cursor})


def encode_cursor(text: str) -> str:
    """Opaque on purpose: clients hand it back, they do not build it."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> str:
    """What ``encode_cursor`` was given. Raises InvalidInput for anything else."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return raw.decode("ascii")
    except (binascii.Error, ValueError) as error:
        raise InvalidInput(
            "This is no cursor.", field="cursor", hint="Send `next_cursor` back unchanged."
        ) from error
