"""E-mail: the mails in a folder of a mailbox (IMAP), such as that of customer service.

Read-only in the strict sense: the folder is opened with EXAMINE and mails are fetched with PEEK, so
that nothing is marked as read. Mails are numbered (UID) in the order of arrival, so that a run goes
on where the last one stopped; when the server numbers them anew, they are read again and known by
their Message-ID.
"""

from __future__ import annotations

import imaplib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from socket import socket
from typing import Any

from listener.collect.base import Source, param
from listener.collect.mail import Mail, folder_name, read_mail, sent_at
from listener.errors import (
    AuthRejected,
    LayoutChanged,
    RateLimited,
    SourceError,
    SourceGone,
    SourceUnavailable,
)
from listener.net.stream import Stream
from listener.text import derived_id
from listener.types import (
    Batch,
    Credential,
    Kind,
    MatchMode,
    Param,
    RawAuthor,
    RawItem,
    SourceSpec,
    State,
    Watch,
)

_AT_ONCE = 20  # mails a FETCH
_MOST_BYTES = 400_000  # of one mail: the text comes first, attachments last
_LONGEST_WHOLE = 100_000  # characters of the whole text that are kept beside the item
_LONGEST_LITERAL = 2_000_000
_TOO_MANY = timedelta(minutes=15)
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_AUTOMATIC = {
    "auto-reply": "auto-replies",
    "bounce": "bounces",
    "newsletter": "newsletters",
}

Answer = tuple[str, list[Any]]


class Email(Source):
    """Mails of a folder, in the order of their arrival."""

    spec = SourceSpec(
        name="email",
        title="E-mail (IMAP)",
        title_ko="이메일 (IMAP)",
        every=timedelta(minutes=5),
        kind=Kind.TICKET,
        base_url="imaps://imap.gmail.com:993",
        default_match=MatchMode.ALL,
        params=(
            Param(
                name="folder",
                title="Folder",
                title_ko="메일함",
                default="INBOX",
                example="INBOX",
                help="메일 프로그램에 보이는 메일함 이름."
                " The folder's name, as the mail program shows it.",
            ),
            Param(
                name="own",
                title="Own addresses",
                title_ko="우리 주소",
                example="shop.example, help@shop.example",
                help="우리 쪽 사람들의 주소나 도메인. 우리의 답장은 불만으로 세지 않습니다."
                " Addresses or domains of your own people: their answers are never complaints.",
            ),
            Param(
                name="automatic",
                title="Automatic mails",
                title_ko="자동 메일",
                choices=("skip", "keep"),
                default="skip",
                help="자동 응답·반송·뉴스레터를 건너뛸지(건수는 알려 드립니다) 모을지."
                " Auto-replies, bounces and newsletters: skip them (they are counted) or keep.",
            ),
        ),
        credentials=(
            Credential(
                name="username",
                title="User name",
                help="대개 메일 주소 전체. Mostly the whole address.",
            ),
            Credential(
                name="password",
                title="App password",
                help="네이버·다음·Gmail은 계정 비밀번호 대신 앱 비밀번호를 요구합니다."
                " Gmail, Naver, Daum and others want one made for apps, not your own.",
            ),
        ),
        cost="무료. Free.",
        limits="5분마다 새 메일, 메일마다 앞부분 400kB까지."
        " New mails every 5 minutes; of each mail the first 400 kB.",
        terms="메일은 개인 정보입니다. 고객용 메일함만 연결하고 고객에게 알리세요."
        " Mails are personal: watch only mailboxes meant for customers, and tell them.",
        signup="https://myaccount.google.com/apppasswords",
    )

    def collect(self, watch: Watch, state: State, *, now: datetime) -> Iterator[Batch]:
        """Yield mails from the oldest unknown one on, a few at a time. Raises SourceError."""
        folder = param(watch, self.spec, "folder")
        with self._opened(watch) as box:
            validity = box.examine(folder)
            known = int(state.cursor.get("uid") or 0)
            notices: tuple[str, ...] = ()
            if int(state.cursor.get("validity") or validity) != validity:
                known = 0
                notices = (
                    "The server numbered the mails anew; they are read again, nothing is doubled.",
                )
            days = self.net.settings.history_days
            since = None if known else now - timedelta(days=days)
            uids = box.search(known, since)
            room = self.net.settings.max_pages * _AT_ONCE
            # A new mark even where nothing is new: the numbering is known from now on.
            some = [uids[at : at + _AT_ONCE] for at in range(0, min(len(uids), room), _AT_ONCE)]
            for at, part in enumerate(some or [[]]):
                mails = box.fetch(part) if part else {}
                items, skipped = self._items(watch, mails, now)
                known = max([known, *part])
                yield Batch(
                    items=tuple(items),
                    state=State(cursor={"validity": validity, "uid": known}),
                    complete=at >= len(some) - 1 and len(uids) <= room,
                    notices=(*notices, *_told(skipped)),
                    requests=1 if at else 3,
                    unchanged=not uids and not notices,
                )
                notices = ()

    def _items(
        self, watch: Watch, mails: Mapping[int, tuple[bytes, datetime | None]], now: datetime
    ) -> tuple[list[RawItem], Counter[str]]:
        keep = param(watch, self.spec, "automatic") == "keep"
        own = re.split(r"[\s,;]+", param(watch, self.spec, "own").lower().strip())
        items: list[RawItem] = []
        skipped: Counter[str] = Counter()
        for _, (data, received) in sorted(mails.items()):
            mail = read_mail(data)
            if mail.automatic and not keep:
                skipped[mail.automatic] += 1
            elif not (mail.subject or mail.text.strip()):
                skipped["empty"] += 1
            else:
                items.append(_item(mail, received, own, now))
        return items, skipped

    @contextmanager
    def _opened(self, watch: Watch) -> Iterator[_Box]:
        credentials = watch.connection.credentials
        name, password = credentials.get("username", ""), credentials.get("password", "")
        if not (name and password):
            raise AuthRejected(
                "The mailbox needs a user name and a password.",
                hint="Enter both in the connection, the password as an app password.",
            )
        if not (name + password).isascii() or not (name + password).isprintable():
            raise AuthRejected(
                "User name and password may hold plain ASCII characters only.",
                hint="App passwords are made of letters.",
            )
        url = watch.connection.base_url or self.spec.base_url or ""
        stream = self.net.mailbox(url, account=str(watch.connection.id or name))
        box = _Box(stream, inside=self.net.guard.allows(stream.host, stream.port))
        try:
            box.begin(name, password, self.net.now())
            yield box
        finally:
            box.end()


def _item(mail: Mail, received: datetime | None, own: Sequence[str], now: datetime) -> RawItem:
    at = sent_at(mail.date, received, now)
    domain = mail.address.partition("@")[2]
    made = derived_id(f"mail:{mail.subject}", mail.address, mail.date or received, 0)
    return RawItem(
        external_id=mail.id or made,
        derived=not mail.id,
        text=mail.text,
        title=mail.subject or None,
        html=mail.html,
        kind=Kind.TICKET,
        author=RawAuthor(native_id=mail.address, name=mail.name) if mail.address else None,
        published_at=at,
        parent_id=mail.parent or None,
        thread_id=mail.thread or mail.id or None,
        is_own=bool(mail.address) and bool({mail.address, domain} & set(own)),
        touchpoint="email",
        raw={
            "text": mail.whole[:_LONGEST_WHOLE],
            "html": mail.html,
            "attachments": list(mail.attachments),
            "automatic": mail.automatic,
        },
    )


def _told(skipped: Mapping[str, int]) -> tuple[str, ...]:
    said = [
        f"{count} {_AUTOMATIC[what]}" for what, count in sorted(skipped.items()) if what != "empty"
    ]
    notices = [f"Skipped as automatic: {', '.join(said)}."] if said else []
    if skipped.get("empty"):
        notices.append(f"Skipped as empty: {skipped['empty']} mails.")
    return tuple(notices)


# --- the protocol --------------------------------------------------------------------------------


class _Wire(imaplib.IMAP4):
    """The library's client on a connection of ours, with a limit to what the server may send."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        super().__init__(stream.host, stream.port)

    def _create_socket(self, timeout: float | None = None) -> socket:  # its own would resolve
        return self._stream.sock

    def read(self, size: int) -> bytes:
        """A literal."""
        if size > _LONGEST_LITERAL:
            raise self.abort("literal too large")
        return super().read(size)


class _Box:
    """A mailbox that is open for reading. Each step has the time-out of a request."""

    def __init__(self, stream: Stream, *, inside: bool) -> None:
        self._stream = stream
        self._inside = inside
        self._wire: _Wire | None = None

    def begin(self, name: str, password: str, now: datetime) -> None:
        """Greeting, encryption, login. Raises SourceError."""
        self._wire = self._do(lambda: _Wire(self._stream))
        if not self._stream.secure:
            self._encrypt()
        try:
            self._call(lambda wire: wire.login(_quoted(name), password))
        except imaplib.IMAP4.error as error:
            raise _refused(str(error), now) from None

    def end(self) -> None:
        """Say goodbye, as far as anybody still listens."""
        try:
            if self._wire is not None and self._wire.state != "LOGOUT":
                self._call(lambda wire: wire.logout())
        except (SourceError, imaplib.IMAP4.error):
            pass
        finally:
            self._stream.close()

    def examine(self, folder: str) -> int:
        """Open a folder for reading only; its UIDVALIDITY. Raises SourceGone."""
        status, _ = self._call(lambda wire: wire.select(folder_name(folder), readonly=True))
        if status != "OK":
            raise SourceGone(
                f"There is no folder {folder!r} in the mailbox.",
                hint=f"Folders are: {', '.join(self._folders()) or 'unknown'}.",
            )
        told = self._wire.response("UIDVALIDITY")[1] if self._wire else [None]
        if not told or not told[0]:
            raise LayoutChanged("The mail server does not number its mails (no UIDVALIDITY).")
        return int(told[0])

    def search(self, known: int, since: datetime | None) -> list[int]:
        """The numbers of mails after the known one, in order."""
        what = [f"UID {known + 1}:*"]
        if since is not None:
            what += ["SINCE", f"{since.day:02d}-{_MONTHS[since.month - 1]}-{since.year}"]
        status, data = self._call(lambda wire: wire.uid("SEARCH", *what))
        if status != "OK":
            raise LayoutChanged("The mail server refuses to search the folder.")
        found = b" ".join(row for row in data if isinstance(row, bytes)).split()
        # "n:*" names the last mail even when it is older.
        return sorted({int(uid) for uid in found if uid.isdigit() and int(uid) > known})

    def fetch(self, uids: Sequence[int]) -> dict[int, tuple[bytes, datetime | None]]:
        """Mails by number, as bytes and when they were received; those gone meanwhile are left
        out.
        """
        wanted = ",".join(map(str, uids))
        parts = f"(UID INTERNALDATE BODY.PEEK[]<0.{_MOST_BYTES}>)"
        status, data = self._call(lambda wire: wire.uid("FETCH", wanted, parts))
        if status != "OK":
            raise SourceUnavailable("The mail server does not hand out its mails.")
        mails: dict[int, tuple[bytes, datetime | None]] = {}
        for at, row in enumerate(data):
            if not isinstance(row, tuple):
                continue
            after = data[at + 1] if at + 1 < len(data) else b""
            told = row[0] + (after if isinstance(after, bytes) else b"")
            uid = re.search(rb"\bUID (\d+)", told)
            if uid is None:
                raise LayoutChanged("The mail server hands out mails without their number.")
            mails[int(uid[1])] = (row[1], _received(told))
        return mails

    def _folders(self) -> list[str]:
        status, data = self._call(lambda wire: wire.list())
        if status != "OK":
            return []
        names = [re.search(rb'(?:"((?:[^"\\]|\\.)*)"|(\S+))\s*$', row or b"") for row in data]
        return [(one[1] or one[2]).decode("ascii", "replace") for one in names if one][:20]

    def _encrypt(self) -> None:
        wire = self._wire
        if wire is not None and "STARTTLS" in wire.capabilities:
            self._call(lambda one: one.starttls(self._stream.context))
            self._stream.sock = wire.sock
            self._stream.secure = True
        elif not self._inside:
            raise SourceUnavailable(
                f"{self._stream.host} offers no encryption, so that no password is sent to it.",
                hint="Use imaps://; a server inside may be named in LISTENER_ALLOW_PRIVATE_HOSTS.",
            )

    def _call(self, step: Callable[[_Wire], Answer]) -> Answer:
        wire = self._wire
        assert wire is not None  # noqa: S101 - begin() made it
        answer: Answer = self._do(lambda: step(wire))
        return answer

    def _do(self, step: Callable[[], Any]) -> Any:
        host = self._stream.host
        try:
            with self._stream.within():
                return step()
        except imaplib.IMAP4.abort as error:
            self._stream.close()
            said = str(error)
            if "unexpected response" in said or "literal too large" in said:
                raise LayoutChanged(f"{host} does not speak IMAP as it should.") from None
            raise SourceUnavailable(f"{host} broke the connection off.") from None
        except imaplib.IMAP4.error as error:
            if self._wire is None:
                self._stream.close()
                if "BYE" in str(error):
                    raise SourceUnavailable(f"{host} turns the connection away.") from None
                raise LayoutChanged(f"{host} does not speak IMAP as it should.") from None
            raise error


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _refused(said: str, now: datetime) -> SourceError:
    """What a refused login means; the server's words may hold the address and are not shown."""
    words = said.upper()
    if "UNAVAILABLE" in words or "INUSE" in words or "SERVERBUG" in words:
        return SourceUnavailable("The mail server cannot check the password right now.")
    if "TOO MANY" in words or "LIMIT" in words or "THROTTL" in words:
        return RateLimited(
            "The mail server says that there are too many connections or logins.",
            retry_at=now + _TOO_MANY,
        )
    return AuthRejected(
        "The mail server refuses the user name or the password.",
        hint="Make an app password (Gmail, Naver and Daum want one where two-step verification is "
        "on), and allow IMAP in the mailbox's settings.",
    )


_RECEIVED = re.compile(
    rb'INTERNALDATE "\s?(\d{1,2})-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)"'
)


def _received(told: bytes) -> datetime | None:
    found = _RECEIVED.search(told)
    if found is None:
        return None
    day, month, year, hour, minute, second, sign, hours, minutes = (
        part.decode() for part in found.groups()
    )
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    try:
        zone = timezone(-offset if sign == "-" else offset)
        number = _MONTHS.index(month.title()) + 1
        at = datetime(
            int(year), number, int(day), int(hour), int(minute), min(int(second), 59), tzinfo=zone
        )
        return at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
