"""The supervisor: keeps processes alive, and takes them along when it goes, however it goes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from listener.errors import ConfigError
from listener.runtime.processes import Supervisor, port_to_use

Pids = Callable[[float], Callable[[], list[int]]]

CHILD = """
import os, sys, time
from listener.runtime.processes import end_with_parent
end_with_parent()
with open({log!r}, "a") as log:
    log.write(f"{{os.getpid()}}\\n")
time.sleep({seconds})
sys.exit(3)
"""

PARENT = """
import sys
from listener.runtime.processes import Supervisor
supervisor = Supervisor()
supervisor.add("child", ["child"])
supervisor.run()
"""


def wait_for(what: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.fixture
def pids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[float], Callable[[], list[int]]]:
    """Writes a module ``child`` that lives so many seconds; gives its processes so far."""

    def make(seconds: float) -> Callable[[], list[int]]:
        log = tmp_path / "pids"
        log.touch()
        child = textwrap.dedent(CHILD).format(log=str(log), seconds=seconds)
        (tmp_path / "child.py").write_text(child)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        return lambda: [int(line) for line in log.read_text().split()]

    return make


def test_a_child_that_dies_is_started_again_ever_more_slowly(pids: Pids) -> None:
    seen = pids(0)
    supervisor = Supervisor()
    supervisor.add("child", ["child"])
    thread = threading.Thread(target=supervisor.run)
    thread.start()
    try:
        wait_for(lambda: len(seen()) >= 3)
    finally:
        supervisor.stop()
        thread.join()
    (child,) = supervisor.children
    assert child.quick_deaths >= 2
    assert not any(alive(pid) for pid in seen())


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_children_go_with_the_supervisor(pids: Pids, how: signal.Signals) -> None:
    seen = pids(60)
    parent = subprocess.Popen([sys.executable, "-c", PARENT])
    try:
        wait_for(lambda: len(seen()) == 1)
        parent.send_signal(how)
        parent.wait(30)
        wait_for(lambda: not alive(seen()[0]))
    finally:
        parent.kill()
        parent.wait()


def test_a_port_that_is_taken_is_told_before_anything_starts() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=str(port)):
            port_to_use("127.0.0.1", port)
    assert port_to_use("127.0.0.1", port) == port
    assert port_to_use("127.0.0.1", 0) > 0


def test_a_file_where_the_service_is_started_is_none_of_ours(tmp_path: Path) -> None:
    (tmp_path / "api.py").write_text("raise SystemExit(7)")
    supervisor = Supervisor()
    supervisor.add("web", ["api"])  # the package itself cannot be run: that is its own error
    ended = subprocess.run(supervisor.children[0].arguments, cwd=tmp_path, capture_output=True)
    assert ended.returncode == 1
    assert b"'api' is a package" in ended.stderr
