from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from listener.errors import ConfigError
from listener.security import (
    KEY_FILE,
    Secrets,
    equal,
    hash_password,
    hash_token,
    load_secret,
    new_token,
    verify_password,
)


def test_key_file_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    home = tmp_path / "new" / "home"
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: load_secret(home), range(16)))
    assert len(keys) == 1
    assert len(keys.pop()) == 32
    assert stat.S_IMODE((home / KEY_FILE).stat().st_mode) == 0o600
    assert [path.name for path in home.iterdir()] == [KEY_FILE]  # no drafts stay


def test_key_from_the_environment_leaves_no_file(tmp_path: Path) -> None:
    assert load_secret(tmp_path, "a long enough secret") == load_secret(
        tmp_path, "a long enough secret"
    )
    assert not list(tmp_path.iterdir())
    with pytest.raises(ConfigError, match="shorter"):
        load_secret(tmp_path, "short")


@pytest.mark.parametrize("content", [b"", b"too short", b"\xff\xfe", b"AAAA"])
def test_damaged_key_file_is_not_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / KEY_FILE).write_bytes(content)
    with pytest.raises(ConfigError, match="damaged"):
        load_secret(tmp_path)
    assert (tmp_path / KEY_FILE).read_bytes() == content


def test_home_that_is_a_file_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(ConfigError, match="cannot be used"):
        load_secret(tmp_path / "home")


def test_encryption_needs_the_same_key() -> None:
    secrets = Secrets(b"a" * 32)
    locked = secrets.encrypt("비밀 token")
    assert b"token" not in locked
    assert secrets.decrypt(locked) == "비밀 token"
    assert Secrets(b"a" * 32).decrypt(locked) == "비밀 token"
    for other in (Secrets(b"b" * 32).decrypt, lambda data: secrets.decrypt(data[:-5])):
        with pytest.raises(ConfigError):
            other(locked)


def test_pseudonyms_are_stable_keyed_and_apart() -> None:
    secrets = Secrets(b"a" * 32)
    name = secrets.pseudonym("x", "", "123")
    assert name == Secrets(b"a" * 32).pseudonym("x", "", "123")
    assert len(name) <= 40
    others = {
        Secrets(b"b" * 32).pseudonym("x", "", "123"),
        secrets.pseudonym("x", "1", "23"),
        secrets.pseudonym("x1", "", "23"),
        secrets.pseudonym("x", "", "124"),
    }
    assert len(others | {name}) == 5


def test_signatures_belong_to_a_purpose() -> None:
    secrets = Secrets(b"a" * 32)
    assert secrets.sign("csrf", "x") == secrets.sign("csrf", "x")
    assert secrets.sign("csrf", "x") != secrets.sign("other", "x")
    assert "a" * 32 not in repr(vars(secrets))


def test_tokens() -> None:
    tokens = {new_token("lsn_") for _ in range(100)}
    assert len(tokens) == 100
    assert all(len(token) == 47 for token in tokens)
    assert len(hash_token("x")) == 64
    assert hash_token("\udcff")  # whatever a client sends
    assert equal("a", "a")
    assert not equal("a", "한\udcff")


def test_passwords() -> None:
    stored = hash_password("correct horse")
    assert stored.startswith("$argon2id$")
    assert verify_password("correct horse", stored)
    assert not verify_password("wrong horse", stored)
    assert not verify_password("password", None)
    assert not verify_password("x", "not a hash")
