"""Take pictures of the dashboard, to look at and for the README.

    .venv/bin/python tools/screenshots.py                     # starts the demo, docs/images/*.png
    .venv/bin/python tools/screenshots.py --all --out /tmp/x  # every page, every dress
    .venv/bin/python tools/screenshots.py --link 'http://127.0.0.1:8000/login/link?token=…'

Without ``--link`` it starts ``listener demo`` on a free port and waits until its spike is open. It
needs the Chromium that the browser tests use (LISTENER_CHROMIUM, else the one on the PATH).
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
WIDE, PHONE = {"width": 1280, "height": 860}, {"width": 360, "height": 740}
PATIENCE = 180.0

# name, path ("{spike}" and "{mention}" are the newest ones), options
README = (
    ("overview", "/", {}),
    ("overview-dark-en", "/?lang=en", {"dark": True}),
    ("spike", "/spikes/{spike}", {}),
    ("mentions", "/mentions?brand=1&complaint=true", {}),
    ("sources", "/sources", {}),
    ("phone", "/", {"phone": True}),
)
PATHS = (
    ("overview", "/"),
    ("overview-24h", "/?range=24h"),
    ("overview-28d", "/?range=28d"),
    ("mentions", "/mentions?brand=1&complaint=true"),
    ("mentions-none", "/mentions?q=zzzzzz"),
    ("mentions-wrong", "/mentions?since=yesterday"),
    ("mention", "/mentions/{mention}"),
    ("spikes", "/spikes"),
    ("spike", "/spikes/{spike}"),
    ("sources", "/sources"),
    ("source", "/sources/1"),
    ("brands", "/brands"),
    ("brand", "/brands/1"),
    ("brand-new", "/brands/new"),
    ("watch-sources", "/watches/new"),
    ("watch-new", "/watches/new?source=feed"),
    ("channels", "/channels"),
    ("settings", "/settings"),
    ("not-found", "/nowhere"),
)
EVERY = tuple(
    (f"{name}{suffix}", path, options)
    for name, path in PATHS
    for suffix, options in (
        ("", {}),
        ("-phone", {"phone": True}),
        ("-dark-en", {"dark": True, "english": True}),
    )
)


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])  # type: ignore[union-attr]
    parser.add_argument("--link", help="login link of a running Listener")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    parser.add_argument("--all", action="store_true", help="every page in every dress")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=os.environ.get("LISTENER_CHROMIUM") or shutil.which("chromium"),
            args=list(FLAGS),
        )
        if given.link:
            shoot(browser, given.link, given.out, everything=given.all)
        else:
            with demo() as link:
                shoot(browser, link, given.out, everything=given.all, wait=True)
        browser.close()


@contextmanager
def demo() -> Iterator[str]:
    """A demo of its own; gives its login link and ends it afterwards."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="listener-pictures-") as home:
        process = subprocess.Popen(
            [sys.executable, "-m", "listener", "demo"],
            cwd=ROOT,
            env=os.environ | {"LISTENER_HOME": home, "LISTENER_PORT": str(port)},
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            for line in process.stdout or ():
                print(line, end="")
                found = re.search(r"https?://\S+/login/link\?token=\S+", line)
                if found:
                    yield found.group()
                    break
            else:
                sys.exit("The demo ended before it answered; its last words are above.")
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def shoot(browser: Browser, link: str, out: Path, *, everything: bool, wait: bool = False) -> None:
    """Log in once and take all pictures."""
    parts = urlsplit(link)
    base = f"{parts.scheme}://{parts.netloc}"
    context = browser.new_context(locale="ko-KR", viewport=WIDE)
    page = context.new_page()
    page.goto(link)
    page.wait_for_url(base + "/")
    if wait:
        wait_for_spike(page, base)
    spike = newest(page, base, "/spikes", r"/spikes/(\d+)")
    mention = newest(page, base, "/mentions?brand=1", r"/mentions/(\d+)")
    state = context.storage_state()
    context.close()
    for name, path, options in EVERY if everything else README:
        context = browser.new_context(
            locale="ko-KR",
            storage_state=state,
            viewport=PHONE if options.get("phone") else WIDE,
            color_scheme="dark" if options.get("dark") else "light",
            device_scale_factor=1 if everything else 1.5,
        )
        page = context.new_page()
        path = path.format(spike=spike, mention=mention)
        if options.get("english"):
            path += ("&" if "?" in path else "?") + "lang=en"
        page.on("console", partial(complain, name))
        page.goto(base + path)
        page.wait_for_timeout(700)
        wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
        page.screenshot(path=out / f"{name}.png", full_page=everything)
        print(f"{name}.png{'  reaches over the edge!' if wide else ''}")
        context.close()


def complain(name: str, said: Any) -> None:
    """A console that is not silent is a fault of the page."""
    if said.type in ("error", "warning"):
        print(f"{name}: {said.text}")


def wait_for_spike(page: Page, base: str) -> None:
    """Until history is collected and the wave of the demo was noticed."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        page.goto(base + "/")
        if page.locator(".alarm").count():
            time.sleep(5)
            return
        time.sleep(3)
    print("No spike opened in time; the pictures show what there is.")


def newest(page: Page, base: str, path: str, pattern: str) -> str:
    """The first id that a list links to."""
    page.goto(base + path)
    found = re.search(pattern, page.content())
    return found.group(1) if found else "1"


if __name__ == "__main__":
    main()
