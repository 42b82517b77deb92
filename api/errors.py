"""What goes wrong, as the client sees it: every error leaves as problem+json (RFC 9457), with a
hint.

A dashboard may set ``app.state.error_page`` (request, problem) -> Response or None, and so answer
browsers with a page instead.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import Response

from listener.errors import InvalidInput, ListenerError, StorageError
from listener.store.work import storage_error

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

STATUS: Mapping[str, int] = {
    "unauthorized": 401,
    "forbidden": 403,
    "too-many-attempts": 429,
    "invalid": 400,
    "not-found": 404,
    "conflict": 409,
    "claim-lost": 409,
    "cursor-expired": 410,
    "link-expired": 410,
    "forbidden-address": 422,
    "storage": 503,
    "config": 500,
}

TITLES: Mapping[str, str] = {
    "unauthorized": "Not logged in",
    "forbidden": "Not allowed",
    "too-many-attempts": "Too many attempts",
    "invalid": "The request cannot be used",
    "not-found": "Not found",
    "conflict": "It exists already, or changed meanwhile",
    "claim-lost": "It changed meanwhile",
    "cursor-expired": "The cursor is too old",
    "link-expired": "The link has expired",
    "forbidden-address": "The address is not allowed",
    "storage": "The database is not available",
    "config": "The service is not set up right",
}

# What an HTTP status without an error of ours is called.
_BY_STATUS: Mapping[int, str] = {
    400: "invalid",
    404: "not-found",
    405: "method",
    413: "too-large",
}


class Unauthorized(ListenerError):
    """No key and no session, or none that is valid."""

    code = "unauthorized"


def no_key(message: str = "This needs an API key or a login.") -> Unauthorized:
    """What a request without a valid key is told."""
    return Unauthorized(
        message,
        hint="Send `Authorization: Bearer lsn_…`; make a key with `listener keys create NAME`.",
    )


class Forbidden(ListenerError):
    """Known, but not allowed to do this."""

    code = "forbidden"


class TooManyAttempts(ListenerError):
    """Too many failed logins; ``retry_after`` is in seconds."""

    code = "too-many-attempts"

    def __init__(self, retry_after: int) -> None:
        super().__init__(
            "Too many failed attempts.", hint=f"Try again in {max(1, retry_after // 60)} minutes."
        )
        self.retry_after = retry_after


class InvalidFields(ListenerError):
    """Several fields that cannot be used, told at once."""

    code = "invalid"

    def __init__(self, problems: Sequence[InvalidInput]) -> None:
        super().__init__(" ".join(one.message for one in problems), hint=problems[0].hint)
        self.problems = problems


class FieldProblem(BaseModel):
    """One field that cannot be used."""

    field: str = Field(description="Name of the field; parts of nested ones are joined by dots.")
    location: str = Field(description="Where it was: query, path, header or body.", alias="in")
    message: str = Field(description="What is wrong with it.")


class Problem(BaseModel):
    """An error in the format of RFC 9457."""

    media_type: ClassVar[str] = MEDIA_TYPE

    type: str = Field(description="A name for this kind of error that never changes.")
    title: str = Field(description="The kind of error in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What happened this time.")
    code: str = Field(description="Short form of `type`.")
    hint: str | None = Field(None, description="What to do about it.")
    errors: list[FieldProblem] = Field(
        default_factory=list, description="The fields that cannot be used."
    )


def problem(
    request: Request,
    *,
    code: str,
    status: int,
    detail: str,
    title: str | None = None,
    hint: str | None = None,
    errors: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer for an error: JSON, or a page where the dashboard wants to show one."""
    body = {
        "type": f"urn:listener:problem:{code}",
        "title": title or TITLES.get(code) or _phrase(status),
        "status": status,
        "detail": detail,
        "code": code,
        "hint": hint,
        "errors": list(errors),
    }
    page = getattr(request.app.state, "error_page", None)
    response = page(request, body) if page is not None else None
    if response is None:
        response = Response(orjson.dumps(body), status, media_type=MEDIA_TYPE)
    assert isinstance(response, Response)  # noqa: S101 - the contract of error_page
    response.headers.update(headers or {})
    return response


def install(app: FastAPI) -> None:
    """Answer all errors of this app as problems."""
    app.add_exception_handler(ListenerError, _expected)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(OperationalError, _database)
    app.add_exception_handler(PoolTimeout, _busy)
    app.add_exception_handler(Exception, _bug)


async def _expected(request: Request, error: Exception) -> Response:
    assert isinstance(error, ListenerError)  # noqa: S101 - registered for it
    status = STATUS.get(error.code, 502)  # what is left are failures of a source
    errors: Sequence[Mapping[str, str]] = ()
    if isinstance(error, InvalidInput | InvalidFields):
        place = "query" if request.method in _SAFE else "body"
        status = 400 if place == "query" else 422
        problems = error.problems if isinstance(error, InvalidFields) else [error]
        errors = [
            {"field": one.field, "in": place, "message": one.message}
            for one in problems
            if one.field
        ]
    headers = {}
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = 'Bearer realm="listener"'
    if isinstance(error, TooManyAttempts):
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, StorageError):
        headers["Retry-After"] = "30"
        log.error("storage error: %s", error)
    return problem(
        request,
        code=error.code,
        status=status,
        detail=error.message,
        hint=error.hint,
        errors=errors,
        headers=headers,
    )


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
    errors = [_field_problem(one) for one in error.errors()]
    in_body = any(one["in"] == "body" for one in errors)
    return problem(
        request,
        code="invalid",
        status=422 if in_body else 400,
        detail="; ".join(f"{one['field']}: {one['message']}" for one in errors),
        hint="Each entry of `errors` names a field and what it accepts.",
        errors=errors,
    )


def _field_problem(error: Mapping[str, Any]) -> dict[str, str]:
    place, *path = (str(part) for part in error["loc"])
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "json_invalid":
        path, message = [], f"This is no valid JSON: {error.get('ctx', {}).get('error', '')}"
    return {"field": ".".join(path) or place, "in": place, "message": message}


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
    code = _BY_STATUS.get(error.status_code, "http")
    if error.status_code < 400:
        return Response(status_code=error.status_code, headers=error.headers)
    return problem(
        request,
        code=code,
        status=error.status_code,
        title=_phrase(error.status_code),
        detail=str(error.detail),
        hint="All routes stand in /api/v1/openapi.json." if code == "not-found" else None,
        headers=error.headers,
    )


async def _database(request: Request, error: Exception) -> Response:
    assert isinstance(error, OperationalError)  # noqa: S101 - registered for it
    return await _expected(request, storage_error(error))


async def _busy(request: Request, _error: Exception) -> Response:
    return await _expected(
        request, StorageError("All connections to the database are busy.", hint="Try again soon.")
    )


async def _bug(request: Request, _error: Exception) -> Response:
    # The server logs the traceback; the client learns nothing of our insides.
    response = problem(
        request,
        code="bug",
        status=500,
        title="Something went wrong here",
        detail="An error that should not happen. It is in the log with its traceback.",
        hint="If it happens again, report it together with that part of the log.",
    )
    response.headers.update(request.app.state.security_headers)
    return response


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
