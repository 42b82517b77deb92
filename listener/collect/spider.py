"""Spiders as collectors: one process a crawl, items as JSON lines, a report that decides.

The core never imports the spiders: it starts Scrapy by name and asks it to describe itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from pydantic import ValidationError

from listener.collect.base import on_server
from listener.errors import (
    AuthRejected,
    Blocked,
    BudgetExhausted,
    ConfigError,
    LayoutChanged,
    RateLimited,
    SourceError,
    SourceGone,
    SourceUnavailable,
    TargetForbidden,
)
from listener.settings import Settings
from listener.types import Batch, RawItem, SourceSpec, State, Watch
from listener.wire import JOB, REPORT, SPECS, CrawlJob, CrawlReport, load_item

log = logging.getLogger(__name__)

BATCH = 200
_HELD = 5.0  # seconds after which items are handed on though a batch is not full
CRAWLS_AT_ONCE = 2  # an import of Scrapy alone costs more than a second of CPU
LONGEST = timedelta(minutes=30)
_PATIENCE = 10.0  # seconds a spider has to end in order
_SETTINGS = "spiders.settings"

_ERRORS: dict[str, type[SourceError]] = {
    kind.code: kind
    for kind in (
        SourceError,
        SourceUnavailable,
        RateLimited,
        BudgetExhausted,
        AuthRejected,
        Blocked,
        LayoutChanged,
        SourceGone,
        TargetForbidden,
    )
}


class SpiderCollector:
    """Runs one spider. The cursor moves only with the report of a crawl that ended well."""

    def __init__(
        self, spec: SourceSpec, settings: Settings, crawls: threading.Semaphore | None = None
    ) -> None:
        self.spec = spec
        self._settings = settings
        self._crawls = crawls or threading.Semaphore(CRAWLS_AT_ONCE)

    def collect(self, watch: Watch, state: State, *, now: datetime) -> Iterator[Batch]:
        """Yield what the spider finds while it runs, and its new state at the end.

        Raises SourceError as the report says it, or SourceUnavailable when there is no report.
        """
        with self._crawls, tempfile.TemporaryDirectory(prefix="listener-crawl-") as name:
            folder = Path(name)
            settings = self._settings
            job = CrawlJob(
                source=self.spec.name,
                params=_on_server(watch),
                cursor=state.cursor,
                validators=state.validators,
                now=now,
                user_agent=settings.user_agent,
                max_pages=settings.crawl_pages,
                max_bytes=settings.max_response_bytes,
                timeout_s=settings.request_timeout,
                private_hosts=tuple(sorted(settings.private_hosts)),
            )
            (folder / "job.json").write_bytes(JOB.dump_json(job))
            (folder / "items.jsonl").touch()
            with (folder / "stderr").open("wb") as errors:
                process = subprocess.Popen(
                    [
                        *(sys.executable, "-m", "scrapy", "crawl", self.spec.name),
                        *("-a", f"job={folder}"),
                        # The resolver is built before the spider reads its job.
                        *("-s", f"LISTENER_PRIVATE_HOSTS={','.join(job.private_hosts)}"),
                        *("-s", f"LISTENER_PARENT={os.getpid()}"),
                    ],
                    cwd=folder,
                    env=_environ(),
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                    start_new_session=True,
                )
                try:
                    yield from self._follow(process, folder, state)
                finally:
                    _end(process)
            yield self._finish(process, folder, state)

    def _follow(
        self, process: subprocess.Popen[bytes], folder: Path, state: State
    ) -> Iterator[Batch]:
        """Batches of items as they are written; the state stays the old one until the report."""
        deadline = time.monotonic() + LONGEST.total_seconds()
        with (folder / "items.jsonl").open("rb") as lines:
            pending: list[RawItem] = []
            since = time.monotonic()
            while True:
                ended = process.poll() is not None
                if not pending:
                    since = time.monotonic()
                pending += _read(lines)
                while len(pending) >= BATCH:
                    yield Batch(items=tuple(pending[:BATCH]), state=state)
                    del pending[:BATCH]
                if ended:
                    break
                if pending and time.monotonic() - since > _HELD:
                    # A slow site: what is there is stored, and a preview need not wait for the end.
                    yield Batch(items=tuple(pending), state=state)
                    pending.clear()
                if time.monotonic() > deadline:
                    log.warning("a crawl of %s took too long and was ended", self.spec.name)
                    _end(process)
                time.sleep(0.05)
            if pending:
                yield Batch(items=tuple(pending), state=state)

    def _finish(self, process: subprocess.Popen[bytes], folder: Path, state: State) -> Batch:
        report = _report(folder)
        if report is None:
            said = (folder / "stderr").read_bytes()[-2_000:].decode("utf-8", "replace").strip()
            log.error("a crawl of %s left no report: %s", self.spec.name, said)
            last = said.splitlines()[-1] if said else f"exit code {process.returncode}"
            raise SourceUnavailable(f"The crawl broke off without a report ({last[:200]}).")
        if report.error is not None:
            kind = _ERRORS.get(report.error, SourceError)
            error = kind(
                report.message, hint=report.hint, retry_at=report.retry_at, status=report.status
            )
            error.requests = report.requests
            raise error
        return Batch(
            items=(),
            state=State(cursor=report.cursor, validators=report.validators),
            complete=report.complete,
            gaps=report.gaps,
            notices=report.notices,
            requests=report.requests,
            suspect=report.suspect,
            ratings=report.ratings,
            unchanged=report.unchanged and not report.items,
        )


def spider_collectors(settings: Settings) -> dict[str, SpiderCollector]:
    """The sources among the spiders, by name; they share the number of crawls at once."""
    crawls = threading.Semaphore(CRAWLS_AT_ONCE)
    return {spec.name: SpiderCollector(spec, settings, crawls) for spec in describe(settings.home)}


def describe(home: Path) -> list[SourceSpec]:
    """What the spiders say of themselves. Kept in a file until one of their sources changes.

    Like bytecode, the file lies beside the sources where they may be written to, so that all
    installs share it; else in the home folder. Raises ConfigError when Scrapy cannot load them.
    """
    places = [*_beside_sources(), home / "cache"]
    name = f"spiders-{_fingerprint()}.json"
    for place in places:
        with contextlib.suppress(OSError, ValidationError):
            return SPECS.validate_json((place / name).read_bytes())
    done = subprocess.run(
        [sys.executable, "-m", "scrapy", "describe"],
        env=_environ(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    try:
        specs = SPECS.validate_json(done.stdout)
    except ValidationError as error:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise ConfigError(
            "The spiders cannot be loaded.", hint=said[-1][:300] if said else None
        ) from error
    for place in places:
        with contextlib.suppress(OSError):  # a cache is a convenience
            _keep(place / name, done.stdout)
            break
    return specs


def _keep(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, in place of older ones of its kind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_bytes(data)
    draft.rename(path)
    for older in path.parent.glob("spiders-*.json"):
        if older != path:
            older.unlink(missing_ok=True)


def _folders() -> list[Path]:
    """Where the spiders package lies, found without importing it."""
    found = importlib.util.find_spec("spiders")
    places: Sequence[str] = (found.submodule_search_locations or ()) if found else ()
    return [Path(place) for place in places]


def _beside_sources() -> list[Path]:
    return [place / "__pycache__" for place in _folders()][:1]


def _fingerprint() -> str:
    """Changes with any file of the spiders package."""
    files = sorted(path for place in _folders() for path in place.rglob("*.py"))
    told = [(str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in files]
    return hashlib.blake2b(repr(told).encode(), digest_size=8).hexdigest()


def _on_server(watch: Watch) -> dict[str, str]:
    """The watch's parameters; a base URL takes the place of scheme and host in its addresses."""
    urls = watch.params.get("url", "").split()
    return {**watch.params, "url": " ".join(on_server(url, watch) for url in urls)}


def _environ() -> dict[str, str]:
    """What a crawl needs of the environment; the secrets in ours are none of its business."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "PYTHONPATH", "VIRTUAL_ENV", "SSL_CERT_FILE")
    environ = {name: os.environ[name] for name in kept if name in os.environ}
    return environ | {"SCRAPY_SETTINGS_MODULE": _SETTINGS, "PYTHONUNBUFFERED": "1"}


def _read(lines: BinaryIO) -> list[RawItem]:
    """The whole lines that were added; half a line waits for its end."""
    items: list[RawItem] = []
    while True:
        start = lines.tell()
        line = lines.readline()
        if not line.endswith(b"\n"):
            lines.seek(start)
            return items
        items.append(load_item(line))


def _report(folder: Path) -> CrawlReport | None:
    try:
        return REPORT.validate_json((folder / "report.json").read_bytes())
    except (OSError, ValidationError):
        return None


def _end(process: subprocess.Popen[bytes]) -> None:
    """Stop a process that still runs, in order if it may, else at once."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
