"""The install's secret and what is made of it: tokens, hashes, passwords, encrypted credentials.

One random key of 32 bytes belongs to an install. Every purpose gets its own key derived from it
(HKDF-SHA256, RFC 5869), so that none of them can be used for another.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from listener.errors import ConfigError

KEY_FILE = "secret.key"
API_KEY_PREFIX = "lsn_"
SHORTEST_PASSWORD = 10
_SHORTEST_SECRET = 16


def load_secret(home: Path, secret: str | None = None) -> bytes:
    """The install's 32 byte key: from ``secret`` (LISTENER_SECRET_KEY) or from a file in the home
    folder.

    The file is made on first use, readable by its owner only; of two processes that start at once
    one makes it and both read the same. Raises ConfigError when the secret is too short or the file
    cannot be used.
    """
    if secret:
        if len(secret) < _SHORTEST_SECRET:
            raise ConfigError(
                f"LISTENER_SECRET_KEY is shorter than {_SHORTEST_SECRET} characters.",
                hint="Make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'",
            )
        return hashlib.sha256(secret.encode()).digest()
    path = home / KEY_FILE
    try:
        if not path.exists():
            _make_key_file(path)
        key = base64.urlsafe_b64decode(path.read_bytes().strip())
    except OSError as error:
        raise ConfigError(
            f"The secret key in {path} cannot be used: {error.strerror}.",
            hint="Check the rights of the home folder (LISTENER_HOME).",
        ) from error
    except ValueError:
        key = b""
    if len(key) != 32:
        raise ConfigError(
            f"The secret key in {path} is damaged.",
            hint="Put the file back from a backup; without it stored credentials cannot be read.",
        )
    return key


def _make_key_file(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(base64.urlsafe_b64encode(secrets.token_bytes(32)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            # A link fails where a rename would replace what another process has just made.
            os.link(draft, path)
        except FileExistsError:
            return
    finally:
        draft.unlink()


class Secrets:
    """All that is done with the install's key. It never shows in a repr."""

    def __init__(self, key: bytes) -> None:
        self._fernet = Fernet(base64.urlsafe_b64encode(_derive(key, b"credentials")))
        self._pseudonym = _derive(key, b"pseudonym")
        self._sign = _derive(key, b"sign")

    @classmethod
    def load(cls, home: Path, secret: str | None = None) -> Secrets:
        """From the environment's secret or the key file. Raises ConfigError."""
        return cls(load_secret(home, secret))

    def encrypt(self, text: str) -> bytes:
        """Encrypted and authenticated (Fernet: AES-128-CBC with HMAC-SHA256)."""
        return self._fernet.encrypt(text.encode())

    def decrypt(self, data: bytes) -> str:
        """What was encrypted.

        Raises ConfigError when it was encrypted under another key, or damaged.
        """
        try:
            return self._fernet.decrypt(data).decode()
        except InvalidToken as error:
            raise ConfigError(
                "A stored credential was encrypted under another secret key.",
                hint=f"Put {KEY_FILE} or LISTENER_SECRET_KEY back, or enter the credential again.",
            ) from error

    def pseudonym(self, source: str, namespace: str, native_id: str) -> str:
        """The name under which an author leaves the system: the same for the same author, and not
        reversible.
        """
        identity = "\0".join((source, namespace, native_id))
        return "a_" + _mac(self._pseudonym, identity).hex()[:20]

    def sign(self, purpose: str, text: str) -> str:
        """A signature (43 url-safe characters) that only this install can make, for this purpose
        alone.
        """
        return base64.urlsafe_b64encode(_mac(self._sign, f"{purpose}\0{text}")).decode().rstrip("=")


def _derive(key: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=b"listener:" + purpose).derive(key)


def _mac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode("utf-8", "surrogatepass"), "sha256")


def new_token(prefix: str = "") -> str:
    """A fresh random token: the prefix and 32 random bytes, url-safe."""
    return prefix + secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """What is stored of a token.

    It is random to begin with, so that a plain SHA-256 (hex) is enough.
    """
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def equal(one: str, other: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(
        one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass")
    )


def hash_password(password: str) -> str:
    """The argon2id hash of a password, with its parameters."""
    return PasswordHasher().hash(password)


def verify_password(password: str, password_hash: str | None) -> bool:
    """Whether the password fits.

    It takes as long when there is no hash, so that accounts cannot be guessed.
    """
    try:
        PasswordHasher().verify(password_hash or _NOBODY, password)  # or raises
    except (VerificationError, InvalidHashError):
        return False
    return bool(password_hash)


# A hash that no password of an account is compared with: work for the clock only.
_NOBODY = (
    "$argon2id$v=19$m=65536,t=3,p=4$MIIRqgvgQbgj220jfp0MPA"
    "$YfwJSVjtjSU0zzV/P3S9nnQ/USre2wvJMjfCIjrTQbg"
)
