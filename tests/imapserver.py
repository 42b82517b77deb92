"""A mail server (IMAP4rev1) on the loopback, well behaved or not; it notes what was asked."""

from __future__ import annotations

import contextlib
import re
import socket
import socketserver
import threading
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Mailbox:
    """The folder INBOX: number → (mail, INTERNALDATE). ``how`` says what goes wrong:

    bye-greeting, garbage, silent, no-tls, refused, limit, unavailable, bye-search, cut (in the
    middle of a mail), huge (a mail of 3 GB is announced), no-validity, uid-last (the number comes
    after the mail).
    """

    mails: dict[int, tuple[bytes, str]] = field(default_factory=dict)
    validity: int = 7
    how: str = ""
    password: str = "app password"
    folders: tuple[str, ...] = ("INBOX", "&vBvHQLpUx3zVaA-")


class ImapServer:
    """Serves ``box``; ``seen`` holds the commands in order. Use as a context manager."""

    def __init__(self, tls: Any = None) -> None:
        self.box = Mailbox()
        self.seen: list[str] = []
        owner = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                if tls is not None:
                    self.request = tls.wrap_socket(self.request, server_side=True)
                    self.setup()
                with contextlib.suppress(OSError, ValueError):  # the client hung up
                    owner._talk(self.rfile, self.wfile)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self._scheme = "imaps" if tls is not None else "imap"
        self._over = threading.Event()
        self.port: int = self._server.server_address[1]

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}"

    def __enter__(self) -> ImapServer:
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _talk(self, lines: Any, out: Any) -> None:
        def say(text: str) -> None:
            out.write(text.encode("latin-1") + b"\r\n")

        how = self.box.how
        if how == "silent":
            self._over.wait(10)
            return
        if how == "garbage":
            say("HTTP/1.1 400 Bad Request")
            return
        say("* BYE too busy" if how == "bye-greeting" else "* OK ready")
        while line := lines.readline():
            text = line.decode("latin-1").strip()
            self.seen.append(re.sub(r"^\S+ ", "", text))
            tag, _, rest = text.partition(" ")
            name = rest.partition(" ")[0].upper()
            if name == "LOGOUT":
                say("* BYE bye")
                say(f"{tag} OK done")
                return
            if name == "UID":
                name = rest.split(" ")[1].upper()
            if not getattr(self, f"_{name.lower()}")(tag, rest, say, out):
                return

    def _capability(self, tag: str, _rest: str, say: Any, _out: Any) -> bool:
        say("* CAPABILITY IMAP4rev1")
        say(f"{tag} OK done")
        return True

    def _login(self, tag: str, rest: str, say: Any, _out: Any) -> bool:
        refusals = {
            "limit": "[ALERT] Too many simultaneous connections.",
            "unavailable": "[UNAVAILABLE] Temporary authentication failure.",
        }
        if self.box.how in refusals:
            say(f"{tag} NO {refusals[self.box.how]}")
        elif f'"{self.box.password}"' not in rest:
            say(f"{tag} NO [AUTHENTICATIONFAILED] Invalid credentials for mina@shop.example")
        else:
            say(f"{tag} OK logged in")
        return True

    def _list(self, tag: str, _rest: str, say: Any, _out: Any) -> bool:
        for folder in self.box.folders:
            say(f'* LIST (\\HasNoChildren) "/" "{folder}"')
        say(f"{tag} OK done")
        return True

    def _examine(self, tag: str, rest: str, say: Any, _out: Any) -> bool:
        if rest.partition(" ")[2].strip('"') not in self.box.folders:
            say(f"{tag} NO [NONEXISTENT] Unknown Mailbox")
            return True
        say(f"* {len(self.box.mails)} EXISTS")
        if self.box.how != "no-validity":
            say(f"* OK [UIDVALIDITY {self.box.validity}] valid")
        say(f"{tag} OK [READ-ONLY] done")
        return True

    def _search(self, tag: str, rest: str, say: Any, _out: Any) -> bool:
        if self.box.how == "bye-search":
            say("* BYE shutting down")
            return False
        first = int(re.search(r"UID SEARCH UID (\d+):\*", rest)[1])  # type: ignore[index]
        uids = sorted(uid for uid in self.box.mails if uid >= first)
        if not uids and self.box.mails:
            uids = [max(self.box.mails)]  # as "n:*" is defined
        say(f"* SEARCH {' '.join(map(str, uids))}".rstrip())
        say(f"{tag} OK done")
        return True

    def _fetch(self, tag: str, rest: str, say: Any, out: Any) -> bool:
        most = int(re.search(r"<0\.(\d+)>", rest)[1])  # type: ignore[index]
        for number, uid in enumerate(map(int, rest.split(" ")[2].split(",")), 1):
            if uid not in self.box.mails:
                continue
            mail, received = self.box.mails[uid]
            mail = mail[:most]
            size = 3_000_000_000 if self.box.how == "huge" else len(mail)
            date = f'INTERNALDATE "{received}"'
            late = self.box.how == "uid-last"
            head = date if late else f"UID {uid} {date}"
            out.write(f"* {number} FETCH ({head} BODY[]<0> {{{size}}}\r\n".encode())
            if self.box.how == "cut":
                out.write(mail[: len(mail) // 2])
                out.flush()
                return False
            out.write(mail + (f" UID {uid})\r\n".encode() if late else b")\r\n"))
        say(f"{tag} OK done")
        return True


def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
