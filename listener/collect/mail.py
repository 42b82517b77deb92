"""Mails as their writers meant them: headers and text decoded, quoted history and signatures cut.

Pure: bytes in, plain values out. What Korean mail programs send is known here: KS C 5601, encoded
words without a charset of their own, and quoted history in their words.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.header import decode_header
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime

_KOREAN = {"ks_c_5601-1987", "ks_c_5601", "ksc5601", "ks_c_5601-1989", "euc-kr", "euc_kr", "korean"}
_LIES = timedelta(days=1)  # a Date header further off than that from the server's is not believed
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One mail. ``text`` is what its writer added, ``whole`` all of it; HTML when ``html``."""

    id: str  # Message-ID without brackets; empty where there is none
    subject: str
    text: str
    whole: str
    html: bool
    name: str
    address: str  # lower case
    date: datetime | None
    parent: str
    thread: str
    attachments: tuple[str, ...]
    automatic: str  # why it is none of a person's: auto-reply, bounce, newsletter; empty = it is


def read_mail(data: bytes) -> Mail:
    """Read a mail, also one that was cut off or is damaged; what cannot be read is empty."""
    message = message_from_bytes(data)
    names = _headers(message)
    people = getaddresses([names.get("from", "")])
    name, address = people[0] if people else ("", "")
    text, html, attachments = _body(message)
    answered = _ids(names.get("in-reply-to", ""))
    before = _ids(names.get("references", ""))
    return Mail(
        id=next(iter(_ids(names.get("message-id", ""))), ""),
        subject=decoded(names.get("subject", "")),
        text=own_markup(text) if html else own_words(text),
        whole=text,
        html=html,
        name=decoded(name),
        address=address.strip().lower() if "@" in address else "",
        date=_date(names.get("date", "")),
        parent=(answered or before[-1:] or [""])[0],
        thread=(before or answered or [""])[0],
        attachments=tuple(attachments),
        automatic=_automatic(message, names, address.lower()),
    )


def sent_at(told: datetime | None, received: datetime | None, now: datetime) -> datetime | None:
    """When a mail was written: its own date, unless that is in the future or more than a day off
    what the server says it received it.
    """
    if told is None or told > now:
        return received
    return received if received is not None and abs(told - received) > _LIES else told


# --- headers -------------------------------------------------------------------------------------


def _headers(message: Message) -> dict[str, str]:
    """The first of each header, bytes that are no ASCII decoded."""
    found: dict[str, str] = {}
    for name, value in message.raw_items():
        raw = str(value).encode("ascii", "surrogateescape")
        text = raw.decode("ascii") if raw.isascii() else _guessed(raw)
        found.setdefault(name.lower(), re.sub(r"\r?\n[ \t]?", " ", text).strip())
    return found


def decoded(value: str) -> str:
    """A header with its encoded words decoded, in Korean charsets too."""
    if "=?" not in value:
        return value.strip()
    parts: list[tuple[bytes, str]] = []
    try:
        for part, charset in decode_header(value):
            data = part if isinstance(part, bytes) else part.encode("utf-8", "surrogateescape")
            name = (charset or "utf-8").lower()
            if parts and parts[-1][1] == name:
                # A character may be cut in two by the border of two words.
                parts[-1] = (parts[-1][0] + data, name)
            else:
                parts.append((data, name))
    except (ValueError, LookupError):
        return value.strip()
    return " ".join("".join(_decode(data, name) for data, name in parts).split())


def _ids(value: str) -> list[str]:
    found = re.findall(r"<([^<>\s]+)>", value)
    bare = value.strip().split()
    return found or ([bare[0]] if len(bare) == 1 else [])


def _date(value: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(value)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    try:
        return (at.replace(tzinfo=UTC) if at.tzinfo is None else at).astimezone(UTC)
    except (OverflowError, ValueError):
        return None


def _automatic(message: Message, names: dict[str, str], address: str) -> str:
    sent = names.get("auto-submitted", "no").partition(";")[0].strip().lower()
    local = address.partition("@")[0]
    if message.get_content_type() == "multipart/report" or local in ("mailer-daemon", "postmaster"):
        return "bounce"
    if names.get("return-path", "").replace(" ", "") == "<>" and sent != "no":
        return "bounce"
    if sent != "no" or "x-autoreply" in names or "x-autorespond" in names:
        return "auto-reply"
    precedence = names.get("precedence", "").lower()
    if precedence == "auto_reply":
        return "auto-reply"
    # A group that people write to (support@) is a list too, and can be posted to.
    if "list-post" not in names and (precedence in ("bulk", "junk") or "list-unsubscribe" in names):
        return "newsletter"
    return ""


# --- bodies --------------------------------------------------------------------------------------


def _body(message: Message) -> tuple[str, bool, list[str]]:
    """The text, whether it is HTML, and the names of attachments."""
    plain = html = ""
    attachments: list[str] = []
    for part in _parts(message):
        name = part.get_filename()
        kind = part.get_content_type()
        if name or part.get_content_disposition() == "attachment" or not kind.startswith("text/"):
            attachments.append(decoded(str(name or kind))[:_LONGEST_NAME])
        elif kind == "text/plain" and not plain:
            plain = _text(part)
        elif kind == "text/html" and not html:
            html = _text(part)
    if plain.strip() or not html:
        return plain, False, attachments
    return html, True, attachments


def _parts(message: Message) -> Iterator[Message]:
    """The leaves; of a mail inside a mail (forwarded as attachment) only that it is there."""
    stack = [message]
    for _ in range(1_000):
        if not stack:
            return
        part = stack.pop()
        payload = part.get_payload()
        if part.get_content_type() == "message/rfc822" or not isinstance(payload, list):
            yield part
        else:
            stack += [inner for inner in reversed(payload) if isinstance(inner, Message)]


def _text(part: Message) -> str:
    try:
        data = part.get_payload(decode=True)
    except (ValueError, LookupError, AssertionError):
        return ""
    if not isinstance(data, bytes):
        return ""
    charset = part.get_content_charset() or ""
    return _decode(data, charset).replace("\r\n", "\n")


def _decode(data: bytes, charset: str) -> str:
    """Bytes in a charset as mails name it; a wrong or missing name is guessed at."""
    name = charset.strip().lower()
    if name in _KOREAN:
        name = "cp949"  # what is called EUC-KR is what Windows writes
    if name in ("", "us-ascii", "ascii", "unknown-8bit", "default"):
        return _guessed(data)
    try:
        return data.decode(name)
    except (LookupError, ValueError):
        return _guessed(data)


def _guessed(data: bytes) -> str:
    for name in ("utf-8", "cp949"):
        try:
            return data.decode(name)
        except UnicodeDecodeError:
            continue
    return data.decode("utf-8", "replace")


# --- what the writer added -----------------------------------------------------------------------

_QUOTED = re.compile(r"[ \t]*[>|＞]")
_ATTRIBUTION = re.compile(
    r"(On\b.{4,200}\bwrote:|.{0,80}\d{4}.{0,100}(님이 작성|에 작성|님께서 작성|wrote)\s*:?|"
    r"Le\b.{4,200}\ba écrit\s*:|Am\b.{4,200}\bschrieb\b.{0,100}:)\s*",
    re.DOTALL,
)
# From here on all is history: what mail programs put above what they quote whole.
_HISTORY = re.compile(
    r"[ \t]*(-{2,20}\s{0,5}(Original Message|Original Appointment|원본 메일|원본 메시지|원본메일|"
    r"Forwarded message|전달된 메시지)\s{0,5}-{2,20}|_{10,200}\s*$)",
    re.IGNORECASE,
)
_HEADER_LINE = re.compile(
    r"[ \t]*\*?(From|Sent|Date|To|Cc|Subject|보낸 ?사람|보낸 ?날짜|보낸 ?시간|받는 ?사람|참조|제목"
    r"|날짜)"
    r"\s*\*?\s*:",
    re.IGNORECASE,
)
_SIGNATURE = re.compile(r"-- ?\Z")
_SENT_FROM = re.compile(
    r"(Sent from my .{1,40}|Get Outlook for .{1,40}|나의 .{1,20}에서 보냄|"
    r".{1,20}에서 보낸 메일입니다\.?|"
    r"네이버 메일에서 전송됨|Sent from Mail for .{1,40})\s*\Z",
    re.IGNORECASE,
)


def own_words(text: str) -> str:
    """A plain mail without quoted history and signature; all of it if nothing else is in it.

    Answers written below or between quoted lines stay.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    kept: list[str] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        if _HISTORY.match(line) or _starts_headers(lines, at):
            break
        if _SIGNATURE.fullmatch(line) and any(one.strip() for one in kept):
            at = _after_signature(lines, at)
            continue
        told = _attribution(lines, at)
        if told:
            at += told
            continue
        if not _QUOTED.match(line):
            kept.append(line)
        at += 1
    own = "\n".join(kept).strip()
    own = _SENT_FROM.sub("", own).strip()
    return own or text.strip()


def _starts_headers(lines: Sequence[str], at: int) -> bool:
    """Whether a block of From, Sent, To, Subject begins here (Outlook, Naver, Daum)."""
    if not _HEADER_LINE.match(lines[at]):
        return False
    first = lines[at].strip(" *\t").lower()
    if not first.startswith(("from", "보낸")):
        return False
    return sum(1 for line in lines[at : at + 6] if _HEADER_LINE.match(line)) >= 3


def _attribution(lines: Sequence[str], at: int) -> int:
    """How many lines say who wrote what is quoted next; 0 = none."""
    if not lines[at].strip() or len(lines[at]) > 300:
        return 0
    for count in (1, 2, 3):
        some = lines[at : at + count]
        if len(some) < count or not some[-1].strip():
            return 0
        if _ATTRIBUTION.fullmatch(" ".join(line.strip() for line in some)):
            rest = next((line for line in lines[at + count :] if line.strip()), ">")
            return count if _QUOTED.match(rest) else 0
    return 0


def _after_signature(lines: Sequence[str], at: int) -> int:
    """A signature goes on to the history or the end."""
    for later in range(at + 1, len(lines)):
        if (
            _QUOTED.match(lines[later])
            or _HISTORY.match(lines[later])
            or _starts_headers(lines, later)
            or _attribution(lines, later)
        ):
            return later
    return len(lines)


_MARKUP = re.compile(
    r"<(?:div|blockquote|table|hr|span|p)\b[^<>]{0,300}?(?:class|id)\s*=\s*[\"']?[^\"'<>]{0,100}?"
    r"(?:gmail_quote|gmail_signature|yahoo_quoted|divRplyFwdMsg|appendonsend|moz-cite-prefix|"
    r"OutlookMessageHeader|protonmail_quote|replyPrefix|_rp_|mail_quote)"
    r"|<blockquote\b[^<>]{0,300}?type\s*=\s*[\"']?cite"
    r"|(?<!-)-{2,20}\s{0,5}(?:Original Message|원본 ?메일|원본 메시지|Forwarded message|"
    r"전달된 메시지)"
    r"|<(?:b|strong|span|p|div)\b[^<>]{0,200}>\s*(?:From|보낸 ?사람)\s*:",
    re.IGNORECASE,
)
_WORDS = re.compile(
    r"<(?:style|script|head|title)\b.*?</(?:style|script|head|title)>|<[^<>]*>|&nbsp;?", re.I | re.S
)


def own_markup(html: str) -> str:
    """An HTML mail up to where its history or signature begins; all of it if that is nothing."""
    for found in _MARKUP.finditer(html):
        own = html[: found.start()]
        if _WORDS.sub(" ", own).strip():
            return own
    return html


# --- folders -------------------------------------------------------------------------------------


def folder_name(name: str) -> str:
    """A folder as IMAP spells it (modified UTF-7, RFC 3501 5.1.3), in quotes."""
    spelled: list[str] = []
    for run in re.findall(r"[\x20-\x7e]+|[^\x20-\x7e]+", name):
        if " " <= run[0] <= "~":
            spelled.append(run.replace("&", "&-"))
        else:
            coded = base64.b64encode(run.encode("utf-16-be")).decode().rstrip("=")
            spelled.append(f"&{coded.replace('/', ',')}-")
    escaped = "".join(spelled).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
