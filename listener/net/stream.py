"""A connection for what is no plain HTTP (mail, web sockets): pinned address, TLS, a deadline a
step.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from listener.net.guard import Target
from listener.net.transport import in_words


class Stream:
    """A connected socket. With ``imaps`` and ``https`` it is wrapped in TLS at once; the
    certificate is verified against the name, not the address.
    """

    def __init__(
        self, target: Target, addresses: Sequence[str], *, context: ssl.SSLContext, seconds: float
    ) -> None:
        self.host = target.host
        self.port = target.port
        self.context = context
        self.secure = target.scheme.endswith("s")
        self._seconds = seconds
        deadline = time.monotonic() + seconds
        plain = self._connect(addresses, deadline)
        self.sock: socket.socket = plain
        if self.secure:
            with self.within():
                self.sock = context.wrap_socket(plain, server_hostname=self.host)

    def _connect(self, addresses: Sequence[str], deadline: float) -> socket.socket:
        failure: OSError | None = None
        for index, address in enumerate(addresses):
            left = max(deadline - time.monotonic(), 0.001)
            more = index < len(addresses) - 1
            try:
                sock = socket.create_connection(
                    (address, self.port), min(left, 5) if more else left
                )
            except OSError as error:
                failure = error
                continue
            sock.settimeout(self._seconds)
            return sock
        failure = failure or TimeoutError("timed out")
        raise in_words(self.host, failure, None) from failure

    @contextmanager
    def within(self) -> Iterator[None]:
        """Do something over the socket within the time-out as a whole, not byte by byte.

        Raises SourceUnavailable for what breaks on the way.
        """
        late = threading.Event()

        def cut() -> None:
            late.set()
            with contextlib.suppress(OSError):
                # The plain method: an SSLSocket's own would drop its TLS state under the reader.
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)

        timer = threading.Timer(self._seconds, cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        except OSError as error:
            self.close()
            raise in_words(self.host, error, self._seconds if late.is_set() else None) from error
        except Exception as error:
            if not late.is_set():
                raise
            # The library saw its connection end, and not that it was us.
            raise in_words(self.host, TimeoutError(), self._seconds) from error
        finally:
            timer.cancel()

    def close(self) -> None:
        """Hang up."""
        with contextlib.suppress(OSError):
            self.sock.close()
