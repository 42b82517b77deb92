"""A mail server on the loopback: plain, STARTTLS or TLS from the start, with or without login."""

from __future__ import annotations

import email
import email.policy
import socket
import ssl
from datetime import UTC, datetime
from email.message import EmailMessage
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USER, PASSWORD = "pr@shop.example", "p@ss w/rd?&+%"


class MailServer:
    """Keeps what it is handed: ``letters``, with the reader of each in ``readers``.

    ``tls`` is "", "starttls" or "ssl"; ``login`` asks for USER and PASSWORD; ``refused`` are
    readers that it does not know. Use as a context manager.
    """

    def __init__(self, *, tls: str = "", login: bool = False, port: int = 0) -> None:
        self.letters: list[EmailMessage] = []
        self.readers: list[str] = []
        self.logins: list[bool] = []
        self.secured: list[bool] = []
        self.refused: set[str] = set()
        self._tls = tls
        context = _context() if tls else None
        self._controller = Controller(
            self,
            hostname="127.0.0.1",
            port=port or free_port(),
            ssl_context=context if tls == "ssl" else None,
            tls_context=context if tls == "starttls" else None,
            require_starttls=tls == "starttls",
            auth_required=login,
            auth_require_tls=False,
            authenticator=self._authenticate,
        )

    def __enter__(self) -> MailServer:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._controller.port)

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        good = isinstance(data, LoginPassword) and (
            (data.login.decode(), data.password.decode()) == (USER, PASSWORD)
        )
        self.logins.append(good)
        return AuthResult(success=good, handled=False)

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take a reader, unless nobody is called so here."""
        if address in self.refused:
            return "550 5.1.1 no such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Keep the letter."""
        content = envelope.original_content or b""
        letter = email.message_from_bytes(content, policy=email.policy.default)
        assert isinstance(letter, EmailMessage)
        self.letters.append(letter)
        self.readers += envelope.rcpt_tos
        self.secured.append(session.ssl is not None or self._tls == "ssl")
        return "250 OK"


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@cache
def _context() -> ssl.SSLContext:
    """TLS by a certificate that nobody signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2120, 1, 1, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
    path = Path(mkdtemp()) / "mail.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context
