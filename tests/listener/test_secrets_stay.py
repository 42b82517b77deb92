"""Where credentials must not turn up: logs, errors, run rows, other hosts, the database in clear.

Every source is played servers that echo all they are sent, refuse it, break off, and redirect to
another host.
"""

from __future__ import annotations

import base64
import json
import logging
import shutil
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from listener.collect.registry import find_pollers
from listener.errors import SourceError
from listener.net.page import Request
from listener.runtime.wiring import Services, build
from listener.settings import Settings
from listener.store import brands, history, runs, watches
from listener.types import MatchMode, SourceSpec
from webserver import Play, Seen, WebServer

WITH_SECRETS = sorted(name for name, one in find_pollers().items() if one.spec.credentials)
SIGNED = {"appstore", "googleplay"}  # these make nothing of a key that is none
SPECS: dict[str, SourceSpec] = {name: one.spec for name, one in find_pollers().items()}


class Echo(WebServer):
    """Answers with all that it was sent, as ``how`` says."""

    how = "refuse"
    elsewhere = ""

    def _send(self, handler: BaseHTTPRequestHandler, play: Play, seen: Seen) -> None:
        sent = f"{dict(seen.query)} {dict(seen.headers)} {seen.body.decode('latin-1')}"
        error = json.dumps({"title": sent, "detail": sent, "message": sent, "error": sent})
        kind = {"Content-Type": "application/json"}
        plays = {
            "refuse": Play(error, 401, kind),
            "slow-down": Play(error, 429, kind),
            "fail": Play(error, 500, kind),
            "odd": Play(json.dumps([sent]), 200, kind),
            "page": Play(f"<html><body>{sent}</body></html>", 200, {"Content-Type": "text/html"}),
            "cut": Play(error, 200, kind, how="truncated"),
            "redirect": Play("", 302, {"Location": f"{self.elsewhere}/moved?from=here"}),
        }
        super()._send(handler, plays[self.how], seen)


@pytest.fixture
def elsewhere() -> Iterator[WebServer]:
    """Another host: the same machine on another port is another origin."""
    with WebServer() as server:
        server.pages["/moved"] = Play("{}", headers={"Content-Type": "application/json"})
        yield server


@pytest.fixture
def echo(elsewhere: WebServer) -> Iterator[Echo]:
    with Echo() as server:
        server.elsewhere = elsewhere.url
        yield server


@pytest.fixture
def services(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, sqlite_template: Path
) -> Iterator[Services]:
    """A real install on a file, that waits for nobody."""
    given = {"allow_private_hosts": "127.0.0.1", "max_pages": 2, "request_timeout": 3.0}
    settings.home.mkdir()
    shutil.copyfile(sqlite_template, settings.home / "listener.db")
    built = build(settings.model_copy(update=given))
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    yield built
    built.close()


def secrets_of(spec: SourceSpec) -> dict[str, str]:
    return {one.name: f"s3cretof{spec.name}{one.name}".replace("_", "") for one in spec.credentials}


def watch_on(services: Services, spec: SourceSpec, server: WebServer) -> int:
    values = {
        one.name: server.url + "/p" if one.kind == "url" else one.default or one.example or "누리"
        for one in spec.params
        if one.required or one.default
    }
    made = services.connections.add(
        spec.name,
        name="main",
        base_url=server.url if spec.base_url else None,
        credentials=secrets_of(spec),
    )
    checked = services.check_watch(spec.name, values, match=None, every=None)
    with services.database.write() as work:
        brand = brands.create(
            work.session, name="누리마켓", handles=["nurimarket"], now=services.clock()
        )
        row = watches.create(
            work.session,
            source=spec.name,
            params=checked.params,
            match=MatchMode.TERMS,
            every=checked.every,
            brand_id=brand.id,
            connection_id=made,
            now=services.clock(),
        )
        work.commit()
    return row.id


@pytest.mark.parametrize("source", WITH_SECRETS)
def test_credentials_stay_where_they_belong(
    services: Services,
    echo: Echo,
    elsewhere: WebServer,
    source: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    spec = SPECS[source]
    secrets = secrets_of(spec)
    watch = watch_on(services, spec, echo)
    told: list[str] = []
    with caplog.at_level(logging.DEBUG):
        for how in ("redirect", "odd", "cut", "refuse"):
            echo.how = how
            told += [json.dumps(report) for report in services.collect_once(watch)]
        told.append(json.dumps(services.connections.test(source, 1)))
    assert echo.seen or source in SIGNED, "nothing was asked, so nothing was tried"
    with services.database.read() as session:
        told += [f"{row.error} {row.hint} {row.notices}" for row in runs.listing(session)]
        told += [gap.detail for gap in history.gaps(session, limit=100)]
        row = watches.get(session, watch)
        told += [row.health_reason, json.dumps(row.state), repr(services.connections.facts(1))]
    services.database.close()  # folds the write-ahead log into the file
    stored = b"".join(path.read_bytes() for path in services.settings.home.glob("listener.db*"))
    forms = [form for secret in secrets.values() for form in (secret, _base64(secret))]
    for form in forms:
        assert form not in "\n".join(told), source
        assert form not in caplog.text, source
        assert form.encode() not in stored, source
        for seen in elsewhere.seen:
            assert form not in f"{seen.path} {seen.query} {seen.headers} {seen.body!r}", source


def _base64(text: str) -> str:
    """The middle of the text's Base64 form, as Basic authorisation would send it."""
    return base64.b64encode(text.encode()).decode()[4:-4]


def test_a_key_in_the_query_stays_there_as_well(
    services: Services, echo: Echo, elsewhere: WebServer, caplog: pytest.LogCaptureFixture
) -> None:
    key = "AIzaSyA-s3cretofthequery1"
    told = []
    with caplog.at_level(logging.DEBUG):
        for how in ("refuse", "slow-down", "fail", "page", "cut", "redirect"):
            echo.how = how
            request = Request(
                url=echo.url + "/v3/search", params={"q": "x", "key": key}, expect="json",
                account=how,
            )  # fmt: skip
            told.append(repr(request))
            try:
                services.net.fetch(request)
            except SourceError as error:
                told.append(f"{error} {error!r} {error.__cause__!r}")
    assert key in str(echo.seen[0].query)
    assert elsewhere.seen
    assert key not in "\n".join(told)
    assert key not in caplog.text
    assert key not in str(elsewhere.seen)
