"""The mailbox as a source, against a mail server that behaves well and badly.

A case in ``tests/fixtures/email/<case>/`` is a folder of mails (``<uid>.eml``, whose first line is
the server's date) and ``expected.json``, which ``FIXTURES_UPDATE=1`` writes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from imapserver import ImapServer, Mailbox, closed_port
from listener.collect.registry import check_params
from listener.collect.sources.email import Email
from listener.errors import (
    AuthRejected,
    LayoutChanged,
    RateLimited,
    SourceError,
    SourceGone,
    SourceUnavailable,
    TargetForbidden,
)
from listener.net.client import Net
from listener.net.guard import Guard
from listener.types import Batch, RawItem, State, Watch

FIXTURES = Path(__file__).parents[2] / "fixtures" / "email"
CASES = sorted(path for path in FIXTURES.iterdir() if (path / "expected.json").is_file())
RECEIVED = "10-Mar-2025 15:30:00 +0900"
NOW = datetime(2025, 3, 10, 12, tzinfo=UTC)
Collect = Callable[..., list[Batch]]


@pytest.fixture
def imap() -> Iterator[ImapServer]:
    with ImapServer() as server:
        yield server


@pytest.fixture
def collect(
    imap: ImapServer, make_net: Callable[..., Net], make_watch: Callable[..., Watch]
) -> Collect:
    """Run the source once on the server."""

    def run(
        state: State | None = None,
        *,
        password: str = Mailbox().password,
        url: str = "",
        settings: dict[str, Any] | None = None,
        **params: str,
    ) -> list[Batch]:
        net = make_net(clock=lambda: NOW, **(settings or {}))
        watch = make_watch(
            "email",
            base_url=url or imap.url,
            credentials={"username": "mina@shop.example", "password": password},
            **check_params(Email.spec, params),
        )
        return list(Email(net).collect(watch, state or State(), now=NOW))

    return run


def a_mail(number: int, *headers: str, text: str = "") -> tuple[bytes, str]:
    lines = [
        f"Message-ID: <m{number}@mail.example>",
        "From: Mina <mina@mail.example>",
        f"Subject: subject {number}",
        "Content-Type: text/plain; charset=utf-8",
        *headers,
    ]
    body = text or f"text {number}"
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode(), RECEIVED


def items(batches: list[Batch]) -> list[RawItem]:
    return [item for batch in batches for item in batch.items]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Path, imap: ImapServer, collect: Collect) -> None:
    for path in sorted(case.glob("*.eml")):
        received, _, mail = path.read_bytes().partition(b"\n")
        imap.box.mails[int(path.stem)] = (mail, received.decode().strip())
    told = [
        {
            "items": [_plain(item) for item in batch.items],
            "complete": batch.complete,
            "notices": list(batch.notices),
            "cursor": dict(batch.state.cursor),
        }
        for batch in collect(own="shop.example")
    ]
    text = json.dumps(told, ensure_ascii=False, indent=2)
    if os.environ.get("FIXTURES_UPDATE"):
        (case / "expected.json").write_text(text + "\n", encoding="utf-8")
    assert json.loads(text) == json.loads((case / "expected.json").read_text("utf-8"))


def _plain(item: RawItem) -> dict[str, Any]:
    names = ("external_id", "title", "text", "html", "parent_id", "thread_id", "is_own", "derived")
    told = {name: getattr(item, name) for name in names if getattr(item, name)}
    told["published_at"] = item.published_at.isoformat() if item.published_at else None
    told["author"] = [item.author.native_id, item.author.name] if item.author else None
    told["attachments"] = (item.raw or {}).get("attachments")
    return told


# --- resuming ------------------------------------------------------------------------------------


def test_a_run_goes_on_after_the_last_mail(imap: ImapServer, collect: Collect) -> None:
    imap.box.mails = {number: a_mail(number) for number in (3, 5)}
    first = collect()
    assert [item.external_id for item in items(first)] == ["m3@mail.example", "m5@mail.example"]
    assert first[-1].complete
    assert first[-1].state.cursor == {"validity": 7, "uid": 5}

    again = collect(first[-1].state)
    assert items(again) == []
    assert (again[-1].complete, again[-1].unchanged) == (True, True)
    imap.box.mails[6] = a_mail(6)
    assert [item.external_id for item in items(collect(first[-1].state))] == ["m6@mail.example"]


def test_nothing_is_marked_as_read(imap: ImapServer, collect: Collect) -> None:
    imap.box.mails = {1: a_mail(1)}
    collect()
    said = " ".join(imap.seen)
    assert "EXAMINE" in said
    assert "BODY.PEEK[]" in said
    assert "SELECT" not in said
    assert "STORE" not in said


def test_a_new_numbering_is_read_again_under_the_same_ids(
    imap: ImapServer, collect: Collect
) -> None:
    imap.box.mails = {8: a_mail(1), 9: a_mail(2)}
    before = collect()
    imap.box.validity, imap.box.mails = 8, {1: a_mail(1), 2: a_mail(2), 3: a_mail(3)}
    after = collect(before[-1].state)
    assert {item.external_id for item in items(before)} < {
        item.external_id for item in items(after)
    }
    assert "anew" in after[0].notices[0]
    assert after[-1].state.cursor == {"validity": 8, "uid": 3}


def test_a_full_mailbox_takes_several_runs(imap: ImapServer, collect: Collect) -> None:
    imap.box.mails = {number: a_mail(number) for number in range(1, 51)}
    settings = {"max_pages": 2}
    first = collect(settings=settings)
    assert [len(batch.items) for batch in first] == [20, 20]
    assert [batch.complete for batch in first] == [False, False]
    rest = collect(first[-1].state, settings=settings)
    assert [len(batch.items) for batch in rest] == [10]
    assert rest[-1].complete
    assert "SINCE 10-Mar-2024" in " ".join(imap.seen)


def test_mails_without_an_id_get_one_that_stays(imap: ImapServer, collect: Collect) -> None:
    bare = b"From: a@b.example\r\nSubject: x\r\n\r\ntext"
    imap.box.mails = {1: (bare, RECEIVED)}
    (first,) = items(collect())
    imap.box.validity, imap.box.mails = 9, {4: (bare, RECEIVED)}
    (again,) = items(collect())
    assert first.derived
    assert first.external_id == again.external_id


def test_what_no_person_wrote_is_skipped_and_counted(imap: ImapServer, collect: Collect) -> None:
    imap.box.mails = {
        1: a_mail(1, "Auto-Submitted: auto-replied"),
        2: a_mail(2, "Precedence: bulk"),
        3: a_mail(3),
    }
    (batch,) = collect()
    assert [item.external_id for item in batch.items] == ["m3@mail.example"]
    assert batch.notices == ("Skipped as automatic: 1 auto-replies, 1 newsletters.",)
    assert len(items(collect(automatic="keep"))) == 3


def test_huge_mails_are_read_in_part(imap: ImapServer, collect: Collect) -> None:
    imap.box.mails = {1: a_mail(1, text="가" * 1_000_000)}
    (item,) = items(collect())
    assert 100_000 < len(item.text) < 140_000
    assert len((item.raw or {})["text"]) == 100_000


def test_numbers_may_come_after_the_mail(imap: ImapServer, collect: Collect) -> None:
    imap.box.mails, imap.box.how = {1: a_mail(1), 2: a_mail(2)}, "uid-last"
    batches = collect()
    assert batches[-1].state.cursor["uid"] == 2
    assert items(batches)[0].published_at == datetime(2025, 3, 10, 6, 30, tzinfo=UTC)


def test_a_folder_in_korean(imap: ImapServer, collect: Collect) -> None:
    imap.box.mails = {1: a_mail(1)}
    assert len(items(collect(folder="받은메일함"))) == 1


# --- what goes wrong -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "error", "said"),
    [
        ("bye-greeting", SourceUnavailable, "turns the connection away"),
        ("garbage", LayoutChanged, "does not speak IMAP"),
        ("silent", SourceUnavailable, "within 0.5 s"),
        ("limit", RateLimited, "too many"),
        ("unavailable", SourceUnavailable, "right now"),
        ("bye-search", SourceUnavailable, "broke the connection off"),
        ("cut", SourceUnavailable, "broke the connection off"),
        ("huge", LayoutChanged, "does not speak IMAP"),
        ("no-validity", LayoutChanged, "UIDVALIDITY"),
    ],
)
def test_failures_in_words(
    imap: ImapServer, collect: Collect, how: str, error: type[SourceError], said: str
) -> None:
    imap.box = Mailbox(mails={1: a_mail(1)}, how=how)
    with pytest.raises(error, match=said) as failure:
        collect(settings={"request_timeout": 0.5})
    assert "mina" not in str(failure.value)
    if error is RateLimited:
        assert failure.value.retry_at == NOW + timedelta(minutes=15)


def test_a_refused_login_says_what_to_do(collect: Collect) -> None:
    with pytest.raises(AuthRejected, match="app password") as refused:
        collect(password="wrong")
    assert "mina" not in str(refused.value)
    for password in ("", "비밀번호", "a\r\nb LOGOUT"):
        with pytest.raises(AuthRejected):
            collect(password=password)


def test_a_missing_folder_names_those_there_are(collect: Collect) -> None:
    with pytest.raises(SourceGone, match="INBOX"):
        collect(folder="Nowhere")


def test_nobody_listens(collect: Collect) -> None:
    with pytest.raises(SourceUnavailable, match="refuses the connection"):
        collect(url=f"imap://127.0.0.1:{closed_port()}")


@pytest.mark.parametrize(
    "url",
    ["https://127.0.0.1", "imaps://10.0.0.1", "imaps://mail.example:22", "imaps://u:p@x.example"],
)
def test_the_guard_holds_for_mail_too(collect: Collect, url: str) -> None:
    with pytest.raises(TargetForbidden):
        collect(url=url)


def test_no_password_goes_out_in_the_clear(
    imap: ImapServer, make_net: Callable[..., Net], make_watch: Callable[..., Watch]
) -> None:
    net = make_net(clock=lambda: NOW)
    real = net.guard
    net.guard = Guard(frozenset({f"mail.example:{imap.port}"}), lookup=lambda *_: _rows(imap.port))
    assert real.allows("127.0.0.1", imap.port)
    watch = make_watch(
        "email",
        base_url=f"imap://mail.example:{imap.port}",
        credentials={"username": "a", "password": "app password"},
    )
    batches = list(Email(net).collect(watch, State(), now=NOW))
    assert batches[-1].complete  # the operator named the host
    outside = make_net(clock=lambda: NOW)
    box = Email(outside)
    outside.guard = _Outside(imap.port)
    with pytest.raises(SourceUnavailable, match="no encryption"):
        list(box.collect(watch, State(), now=NOW))
    assert not [line for line in imap.seen[-2:] if line.startswith("LOGIN")]


def _rows(port: int) -> list[tuple[Any, ...]]:
    return [(2, 1, 6, "", ("127.0.0.1", port))]


class _Outside(Guard):
    """Resolves to the test's server and calls it a stranger."""

    def __init__(self, port: int) -> None:
        super().__init__(frozenset({f"mail.example:{port}"}), lookup=lambda *_: _rows(port))
        self._asked = 0

    def allows(self, host: str, port: int) -> bool:
        self._asked += 1
        return self._asked <= 3  # the checks on the way to the connection, not the source's own
