"""The work of the service: threads of runs that end in time, and jobs that edges ask for."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from builders import a_raw, stored_brand, stored_watch
from fakes import FakeCollector, FakeReader, FakeRegistry
from listener.pipeline.collect import Runner
from listener.pipeline.ingest import Ingest
from listener.runtime.clock import utc_now
from listener.runtime.tasks import Collecting, Delivering, Paced, Work, answer_job
from listener.runtime.wiring import Services, build
from listener.settings import Settings
from listener.store import channels, jobs, outbox, watches
from listener.types import Batch, State
from office import SECRET
from webserver import Play, WebServer


class SlowCollector(FakeCollector):
    """Waits in the middle of a run until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.began, self.go = threading.Event(), threading.Event()

    def collect(self, *args: Any, **kwargs: Any) -> Iterator[Batch]:
        self.began.set()
        self.go.wait(30)
        yield Batch(items=(a_raw(),), state=State(cursor={"at": "1"}), complete=True)


@pytest.fixture
def services(sqlite_url: str, settings: Settings) -> Iterator[Services]:
    made = build(settings.model_copy(update={"database_url": sqlite_url, "collect_workers": 2}))
    yield made
    made.close()


@pytest.fixture
def slow(services: Services) -> SlowCollector:
    """Three due watches of a source that takes its time."""
    collector = SlowCollector()
    ingest = Ingest(services.database, FakeReader(), services.settings, services.secrets)
    services.runner = Runner(
        database=services.database,
        ingest=ingest,
        registry=FakeRegistry([collector]),
        secrets=services.secrets,
        clock=utc_now,
    )
    with services.database.write() as work:
        brand = stored_brand(work.session)
        for _ in range(3):
            stored_watch(work.session, brand=brand, now=utc_now() - timedelta(minutes=1))
        work.commit()
    return collector


def _free(services: Services) -> int:
    with services.database.read() as session:
        return len(watches.due(session, now=utc_now()))


def test_no_more_runs_than_workers(services: Services, slow: SlowCollector) -> None:
    collecting = Collecting(services)
    collecting.tick()
    collecting.tick()
    assert _free(services) == 1
    slow.go.set()
    assert collecting.wait(30) == []
    collecting.tick()
    assert collecting.wait(30) == []
    assert _free(services) == 0


def test_stopping_lets_a_run_end(services: Services, slow: SlowCollector) -> None:
    work = Work(services)
    work.start()
    assert slow.began.wait(30)
    threading.Timer(0.3, slow.go.set).start()
    assert work.stop(30) == []
    with services.database.read() as session:
        (first, *_) = watches.listing(session)
        assert watches.state_of(first).cursor == {"at": "1"}


def test_stopping_does_not_wait_for_a_run_that_hangs(
    services: Services, slow: SlowCollector
) -> None:
    work = Work(services)
    work.start()
    assert slow.began.wait(30)
    began = time.monotonic()
    left = work.stop(0.5)
    assert time.monotonic() - began < 10
    assert [name for name in left if name.startswith("collect-")]
    slow.go.set()


def _ask(services: Services, kind: str, payload: dict[str, Any]) -> Any:
    with services.database.write() as work:
        job_id = jobs.ask(work.session, kind, payload, now=utc_now())
        work.commit()
    assert answer_job(services)
    assert not answer_job(services)
    with services.database.read() as session:
        return jobs.get(session, job_id)


def test_a_test_message_is_queued(services: Services) -> None:
    made = services.add_channel(name="ops", address="https://8.8.8.8/hook", secret=None)
    assert _ask(services, "test-channel", {"channel_id": made.id}).state == "done"
    with services.database.write() as work:
        message = outbox.claim(work.session, now=utc_now(), length=timedelta(minutes=1))
    assert message is not None
    assert message.event == "test"


def test_a_job_that_cannot_be_done_says_why(services: Services) -> None:
    missing = _ask(services, "test-channel", {"channel_id": 99})
    assert (missing.state, missing.error) == ("failed", "There is no channel 99.")
    unknown = _ask(services, "dance", {})
    assert "no job 'dance'" in unknown.error
    broken = _ask(services, "preview", {})  # not what an edge of ours would ask
    assert "the log has the details" in broken.error
    refused = _ask(
        services, "preview", {"source": "feed", "params": {"url": "http://127.0.0.1/feed"}}
    )
    assert refused.state == "failed"
    assert "127.0.0.1" in refused.error


def test_a_wanted_look_comes_soon_but_rests_as_long_as_it_took() -> None:
    now, calls = [100.0], []

    def look() -> None:
        calls.append(now[0])
        now[0] += 2.0

    paced = Paced(look, at_least=timedelta(minutes=1), clock=lambda: now[0])
    for seconds, wanted in ((0, False), (20, False), (0, True), (0, True), (1, True), (1, True)):
        now[0] += seconds
        if wanted:
            paced.want()
        paced.tick()
    # At once; then because it was wanted 20 s after; then only 2 s after its end.
    assert calls == [100.0, 122.0, 126.0]
    now[0] += 61
    paced.tick()
    assert calls[3:] == [189.0]


def test_a_receiver_that_hangs_holds_up_no_other(services: Services) -> None:
    with WebServer() as server:
        server.pages["/slow"] = Play(how="silent")
        server.pages["/quick"] = Play()
        services.settings = services.settings.model_copy(
            update={"allow_private_hosts": "127.0.0.1", "request_timeout": 3.0}
        )
        with services.database.write() as work:
            for name in ("slow", "quick"):
                made = channels.add(
                    work.session,
                    name=name,
                    kind="webhook",
                    address=services.secrets.encrypt(f"{server.url}/{name}"),
                    address_shown=name,
                    secret=services.secrets.encrypt(SECRET),
                    language="ko",
                    now=utc_now(),
                )
                for number in range(3):
                    outbox.put(
                        work.session,
                        channel_id=made.id,
                        alert_id=None,
                        event="test",
                        event_key=str(number),
                        refs={},
                        now=utc_now(),
                    )
            work.commit()
        delivering = Delivering(services)
        delivering.tick()
        began = time.monotonic()
        while server.paths.count("/quick") < 3 and time.monotonic() - began < 2.5:
            delivering.tick()
            time.sleep(0.02)
        assert server.paths.count("/quick") == 3
        assert server.paths.count("/slow") == 1
        delivering.close()
        assert delivering.wait(10) == []
        with services.database.read() as session:
            states = [one.state for one in outbox.listing(session)]
    assert sorted(states) == ["pending"] * 3 + ["sent"] * 3
