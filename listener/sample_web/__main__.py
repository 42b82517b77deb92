"""Start the sample web: `python -m listener.sample_web --port 0 --seed 7`.

Prints one line of JSON with its address when it answers, and nothing else on standard output.
"""

import argparse
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import uvicorn

from listener.sample_web.app import Options, create_app
from listener.sample_web.model import Plan
from listener.sample_web.site import utc_now
from listener.sample_web.xapi import XOptions

HOST: Final = "127.0.0.1"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="python -m listener.sample_web",
        description="A small invented web on loopback: shop, news, forum, X-shaped API, inbox.",
        epilog="Example: python -m listener.sample_web --port 8099 --x-days 28 --no-wave",
    )
    add = made.add_argument
    add("--port", type=int, default=0, help="port on 127.0.0.1; 0 picks a free one (default)")
    add("--seed", type=int, default=7, help="same seed and start, same web (default 7)")
    add("--start", type=_instant, help="ISO time with offset at which history ends (default now)")
    add("--days", type=_at_least_one, default=28, help="days of history before the start (28)")
    add("--volume", type=_positive, default=1.0, help="factor on everything but the wave (1.0)")
    add("--wave-start-min", type=float, default=-40, help="wave begins, minutes from start (-40)")
    add("--wave-minutes", type=_positive, default=150, help="how long the wave lasts (150)")
    add("--no-wave", action="store_true", help="an ordinary day")
    add("--feed-items", type=_at_least_one, default=500, help="entries a feed shows (500)")
    add("--page-size", type=_at_least_one, default=50, help="reviews on a product page (50)")
    add("--x-days", type=_at_least_one, default=7, help="days the recent search reaches back (7)")
    add("--x-token", default="", help="the one bearer token taken; without it any is")
    add("--x-limit", type=_at_least_one, default=450, help="calls a window and endpoint (450)")
    add("--x-window-seconds", type=_positive, default=900, help="length of that window (900)")
    add("--inbox-secret", default="", help="whsec_ secret; unsigned messages are then refused")
    add("--parent", type=int, default=0, help="end when this process, which started it, is gone")
    return made


def options_from(arguments: Sequence[str] | None) -> tuple[Options, int]:
    """Options and port from the command line."""
    given = parser().parse_args(arguments)
    plan = Plan(
        seed=given.seed,
        start=given.start or utc_now(),
        days=given.days,
        volume=given.volume,
        wave_offset=None if given.no_wave else timedelta(minutes=given.wave_start_min),
        wave_length=timedelta(minutes=given.wave_minutes),
    )
    x = XOptions(
        token=given.x_token,
        days=given.x_days,
        limit=given.x_limit,
        window=timedelta(seconds=given.x_window_seconds),
    )
    made = Options(
        plan=plan,
        x=x,
        feed_items=given.feed_items,
        page_size=given.page_size,
        inbox_secret=given.inbox_secret,
    )
    return made, given.port


class _Server(uvicorn.Server):
    """Says where it is once it really answers; port 0 is known only then."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            port = sockets[0].getsockname()[1]
            sys.stdout.write(json.dumps({"url": f"http://{HOST}:{port}", "port": port}) + "\n")
            sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop."""
    options, port = options_from(arguments)
    parent = parser().parse_args(arguments).parent
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
    except OSError as error:
        sys.stderr.write(f"sample web: cannot listen on {HOST}:{port}: {error.strerror}\n")
        return 1
    if parent:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    config = uvicorn.Config(create_app(options), log_level="warning", access_log=False)
    _Server(config).run(sockets=[listening])
    return 0


def _end_with(parent: int) -> None:
    """End this process once its parent is gone, even if that was killed and could not tell."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os.kill(os.getpid(), signal.SIGTERM)


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"not an ISO time: {text}") from None
    if at.tzinfo is None:
        raise argparse.ArgumentTypeError("the time needs an offset, e.g. 2026-11-21T12:00+09:00")
    return at.astimezone(UTC)


def _positive(text: str) -> float:
    value = float(text)
    if value <= 0:
        raise argparse.ArgumentTypeError("must be above 0")
    return value


def _at_least_one(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


if __name__ == "__main__":
    sys.exit(main())
