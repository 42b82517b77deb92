"""``python -m benchmarks``: runs the benchmarks in this folder in turn, after the machine's facts.

Each benchmark is a module of its own that prints its figures beside a named floor. ``--quick`` is
passed on to those that know it.
"""

from __future__ import annotations

import argparse
import os
import platform
import sqlite3
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
LIBRARIES = ("numpy", "sqlalchemy", "psycopg", "fastapi", "scrapy")


def names() -> list[str]:
    """The benchmarks there are, sorted. Helpers begin with an underscore."""
    return sorted(path.stem for path in HERE.glob("[!_]*.py"))


def facts() -> list[str]:
    """What a figure means little without: processor, memory, versions, load."""
    uname = platform.uname()
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return [
        f"machine   {_processor()}, {len(os.sched_getaffinity(0))} cores for us, {_memory()}",
        f"system    {uname.system} {uname.release}, load {load}",
        f"python    {platform.python_version()}, SQLite {sqlite3.sqlite_version}",
        "libraries " + ", ".join(f"{name} {version(name)}" for name in LIBRARIES),
    ]


def knows_quick(name: str) -> bool:
    """Whether a benchmark has a short form."""
    return "--quick" in (HERE / f"{name}.py").read_text("utf-8")


def run(name: str, *, quick: bool) -> bool:
    """Run one benchmark in a process of its own, its output as it comes; whether it ended well."""
    command = [sys.executable, "-m", f"benchmarks.{name}"]
    if quick and knows_quick(name):
        command.append("--quick")
    return subprocess.run(command, cwd=HERE.parent, check=False).returncode == 0


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _memory() -> str:
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9:.0f} GB"


def main() -> int:
    """Run what was asked for; the status is 1 if one of them failed."""
    known = names()
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short runs, where there is one")
    parser.add_argument("names", nargs="*", metavar="name", help=f"any of: {', '.join(known)}")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(known))
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there is: {', '.join(known)}")
    wanted = options.names or known
    print("\n".join(facts()), flush=True)
    failed = []
    for number, name in enumerate(wanted, 1):
        print(f"\n[{number}/{len(wanted)}] {name}", flush=True)
        started = time.perf_counter()
        if not run(name, quick=options.quick):
            failed.append(name)
        print(f"      {name}: {time.perf_counter() - started:.0f} s", flush=True)
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
