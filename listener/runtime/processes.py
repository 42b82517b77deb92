"""The processes of a running service: one that collects and detects, one that answers the web.

``listener up`` starts both and starts again whichever dies, so that a crash of one is a pause
and not an outage.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType

from listener.errors import ConfigError

log = logging.getLogger(__name__)

PARENT = "LISTENER_SUPERVISOR_PID"
WEB_APP = "api.app:create_app"  # by name: the core never imports its edges
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_STEADY = 30.0  # seconds after which a process counts as well started
_GRACE = 15.0  # seconds a process has to stop by itself


@dataclass
class _Child:
    name: str
    arguments: Sequence[str]
    environ: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    quick_deaths: int = 0
    not_before: float = 0.0


@dataclass
class Supervisor:
    """Keeps processes running until told to stop."""

    children: list[_Child] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def add(
        self, name: str, arguments: Sequence[str], environ: Mapping[str, str] | None = None
    ) -> None:
        """A process to keep running: ``python -m`` with these arguments."""
        # -P: an api.py that lies where the service is started is none of ours.
        self.children.append(
            _Child(
                name,
                [sys.executable, "-P", "-m", *arguments],
                {**os.environ, PARENT: str(os.getpid()), **(environ or {})},
            )
        )

    def run(self, *, started: Callable[[], None] = lambda: None) -> None:
        """Start all and watch over them until SIGINT, SIGTERM, or ``stop``.

        ``started`` is called once beside them, when all were started for the first time.
        """

        def leave(_signal: int, _frame: FrameType | None) -> None:
            self._stop.set()

        with contextlib.suppress(ValueError):  # not in the main thread: the caller stops us
            signal.signal(signal.SIGINT, leave)
            signal.signal(signal.SIGTERM, leave)
        try:
            for child in self.children:
                self._look_after(child)
            threading.Thread(target=started, daemon=True).start()
            while not self._stop.wait(0.2):
                for child in self.children:
                    self._look_after(child)
        finally:
            self._stop_all()

    def stop(self) -> None:
        """Make ``run`` return."""
        self._stop.set()

    def alive(self) -> bool:
        """Whether it was not told to stop."""
        return not self._stop.is_set()

    def _look_after(self, child: _Child) -> None:
        now = time.monotonic()
        if child.process is None:
            if now >= child.not_before:
                # Its own session, so that Ctrl-C reaches us alone and we stop it in order.
                child.process = subprocess.Popen(
                    child.arguments,
                    stdout=subprocess.DEVNULL,  # ours is for what the user has to read
                    env=child.environ,
                    start_new_session=True,
                    preexec_fn=_die_with(os.getpid()),
                )
                child.started = now
            return
        code = child.process.poll()
        if code is None:
            return
        child.quick_deaths = child.quick_deaths + 1 if now - child.started < _STEADY else 1
        pause = min(30.0, 0.5 * 2 ** (child.quick_deaths - 1))
        log.warning("process %s ended (%s); starting it again in %.1f s", child.name, code, pause)
        child.process, child.not_before = None, now + pause

    def _stop_all(self) -> None:
        running = [c.process for c in self.children if c.process and c.process.poll() is None]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + _GRACE
        for process in running:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _die_with(parent: int) -> Callable[[], None] | None:
    """Linux tells a process when its parent is gone, even one that knows nothing of us."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl  # looked up before the fork: after it only calls are safe

    def arrange() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return arrange


def end_with_parent() -> None:
    """Stop this process when the supervisor that started it is gone, however it went."""
    parent = os.environ.get(PARENT)
    if parent is None:
        return

    def watch() -> None:
        while os.getppid() == int(parent):
            time.sleep(1.0)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_GRACE)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()


def serve(host: str, port: int, *, log_level: str) -> None:
    """Answer the web in this process until it is told to stop."""
    import uvicorn

    uvicorn.run(
        WEB_APP,
        factory=True,
        host=host,
        port=port,
        log_config=None,
        log_level=log_level.lower(),
        access_log=False,  # URLs of feeds carry keys
        server_header=False,
        timeout_graceful_shutdown=5,
    )


def until_told_to_stop() -> None:
    """Wait for SIGINT or SIGTERM."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _signal, _frame: stop.set())
    while not stop.wait(1.0):
        pass


def port_to_use(host: str, port: int) -> int:
    """The port itself, or a free one for 0. Raises ConfigError when something else listens there:
    the web would die and be started again for ever.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConfigError(
                f"{host}:{port} cannot be listened on: {error.strerror}.",
                hint="Choose another port, for example LISTENER_PORT=8010.",
            ) from error
        return int(probe.getsockname()[1])


def wait_until_ready(
    base: str, *, process_alive: Callable[[], bool], seconds: float = 60.0
) -> bool:
    """Wait until the web answers at ``base``; False when it does not within the time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process_alive():
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"{base}/readyz", timeout=2) as answer,  # noqa: S310
        ):
            if answer.status == 200:
                return True
        time.sleep(0.2)
    return False
