"""What was posted to a webhook becomes raw items: which part of the payload is which field.

Pure: a mapping is data, and so are payload and items. Paths are JMESPath, a language without loops
or side effects that many tools use; names with other characters need no quotes here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import jmespath
import orjson
from jmespath.exceptions import JMESPathError

from listener.errors import InvalidInput
from listener.pipeline.rows import fits_scale, is_true, kind_of, stars, when
from listener.text import derived_id
from listener.types import Kind, Precision, RawAuthor, RawItem

FIELDS = (
    *("text", "title", "external_id", "url", "kind", "html", "published_at", "language"),
    *("rating", "rating_min", "rating_max", "author", "author_id", "author_name"),
    *("parent_id", "thread_id", "product", "product_version", "place", "touchpoint", "country"),
    *("solicited", "is_own", "deleted"),
)
CONSTANT = "="  # begins a value that is not a path
MAX_ITEMS = 1_000
_LONGEST_PATH = 500
_PLAIN = re.compile(r"[^\s\[\]|&?()*@'\"`{}!<>=,:.](?:[^\[\]|&?()*@'\"`{}!<>=,:.]*)")
_STEP = re.compile(r"\.?([^\[\].]+)|\[(-?\d+)\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldMapping:
    """How a payload is read. ``fields``: field of a RawItem → path, or a constant after ``=``.

    ``items`` is the path of the list that holds the items, empty = the payload is one item; paths
    of fields begin in the item, with ``$.`` in the whole payload. ``when`` is a path that says
    whether a delivery (an item of the list) is meant at all.
    """

    fields: Mapping[str, str]
    items: str = ""
    when: str = ""

    def as_json(self) -> dict[str, Any]:
        """As it is stored and shown."""
        return {"items": self.items, "when": self.when, "fields": dict(self.fields)}


@dataclass(frozen=True, slots=True)
class Mapped:
    """The items of one delivery; none with a ``skipped`` that says why none was meant."""

    items: tuple[RawItem, ...]
    skipped: str = ""


def read_mapping(given: Any) -> FieldMapping:
    """Check a mapping as people write it (JSON). Raises InvalidInput that names the field."""
    if not isinstance(given, Mapping):
        raise InvalidInput("A mapping is a JSON object.", field="mapping", hint=_EXAMPLE)
    unknown = sorted(set(given) - {"items", "when", "fields"})
    if unknown:
        raise InvalidInput(
            f"A mapping has no {unknown[0]!r}.", field="mapping", hint="items, when, fields."
        )
    fields = given.get("fields")
    if not isinstance(fields, Mapping) or not fields:
        raise InvalidInput("A mapping needs fields.", field="mapping", hint=_EXAMPLE)
    checked: dict[str, str] = {}
    for name, path in fields.items():
        if name not in FIELDS:
            raise InvalidInput(
                f"An item has no field {str(name)[:40]!r}.",
                field="mapping",
                hint=f"There is: {', '.join(FIELDS)}.",
            )
        if not isinstance(path, str):
            raise InvalidInput(f"The path of {name} is not a text.", field=name)
        if path.strip():
            checked[name] = path.strip()
            if not path.strip().startswith(CONSTANT):
                _compiled(path.strip().removeprefix("$."), name)
    if not {"text", "title", "rating"} & set(checked):
        raise InvalidInput(
            "A mapping needs the path of the text, the title or the rating.", field="text"
        )
    if checked.get("kind", "").startswith(CONSTANT) and checked["kind"][1:] not in set(Kind):
        raise InvalidInput(
            f"There is no kind {checked['kind'][1:][:40]!r}.",
            field="kind",
            hint=f"Such as ={', ='.join(Kind)}.",
        )
    paths = [given.get("items") or "", given.get("when") or ""]
    for label, path in zip(("items", "when"), paths, strict=True):
        if not isinstance(path, str):
            raise InvalidInput(f"The path of {label} is not a text.", field=label)
        if path.strip():
            _compiled(path.strip(), label)
    return FieldMapping(fields=checked, items=paths[0].strip(), when=paths[1].strip())


_EXAMPLE = 'For example: {"fields": {"text": "comment", "external_id": "id"}}'


def payload_of(body: bytes, content_type: str) -> Any:
    """What a body says: JSON, a form's fields, or plain text as ``{"text": …}``.

    Raises InvalidInput.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if not body.strip():
        raise InvalidInput("The delivery is empty.", field="body")
    if kind == "application/x-www-form-urlencoded":
        pairs = parse_qsl(_text_of(body), keep_blank_values=True, max_num_fields=1_000)
        form = dict(pairs)
        if set(form) == {"payload"}:  # JSON in a form, as older webhooks send it
            return _json(form["payload"].encode())
        return form
    if kind == "text/plain" and body.lstrip()[:1] not in (b"{", b"["):
        return {"text": _text_of(body)}
    return _json(body)


def map_payload(
    payload: Any,
    mapping: FieldMapping,
    *,
    namespace: str,
    delivery: str,
    zone: ZoneInfo,
) -> Mapped:
    """The items of a payload. ``delivery`` makes ids where the mapping gives none.

    Raises InvalidInput that names the field and what was found there.
    """
    found = [payload]
    if mapping.items:
        listed = _search(mapping.items, payload, "items")
        if listed is None:
            raise InvalidInput(
                f"There is nothing at {mapping.items!r}, the path of the items.", field="items"
            )
        found = listed if isinstance(listed, list) else [listed]
    if len(found) > MAX_ITEMS:
        raise InvalidInput(f"A delivery may hold {MAX_ITEMS:,} items at most.", field="items")
    items = []
    for place, one in enumerate(found):
        if mapping.when and not _search(mapping.when, one, "when"):
            continue
        item = _item(one, payload, mapping, namespace, zone)
        if not item.external_id:
            made = derived_id(namespace, delivery, None, place)
            item = replace(item, external_id=made, derived=True)
        items.append(item)
    if not items and found:
        return Mapped((), f"{mapping.when} does not hold for it.")
    return Mapped(tuple(items))


def _item(one: Any, payload: Any, mapping: FieldMapping, namespace: str, zone: ZoneInfo) -> RawItem:
    values = {name: _value(name, path, one, payload) for name, path in mapping.fields.items()}

    def text(name: str) -> str:
        return _as_text(values.get(name))

    deleted = _is_true(values.get("deleted"))
    if deleted:
        if not text("external_id"):
            raise InvalidInput("A deletion needs the id of what was deleted.", field="external_id")
        return RawItem(external_id=text("external_id"), namespace=namespace, text="", deleted=True)
    published_at, precision = _when(values.get("published_at"), zone)
    rating, low, high = stars(text("rating"))
    low = _number("rating_min", text("rating_min"), low)
    high = _number("rating_max", text("rating_max"), high)
    fits_scale(rating, low, high)
    if not (text("text") or text("title") or rating is not None):
        told = ", ".join(
            f"{name} ({mapping.fields[name]})"
            for name in ("text", "title", "rating")
            if name in mapping.fields
        )
        raise InvalidInput(f"The delivery holds nothing at {told}.", field="text")
    author = RawAuthor(native_id=text("author_id"), handle=text("author"), name=text("author_name"))
    return RawItem(
        external_id=text("external_id"),
        namespace=namespace,
        text=text("text"),
        title=text("title") or None,
        kind=kind_of(text("kind"), Kind.REVIEW if rating is not None else Kind.POST),
        url=text("url") or None,
        html=_is_true(values.get("html")),
        author=author if author != RawAuthor() else None,
        published_at=published_at,
        published_precision=precision,
        language=text("language") or None,
        rating=rating,
        rating_min=None if rating is None else low,
        rating_max=None if rating is None else high,
        parent_id=text("parent_id") or None,
        thread_id=text("thread_id") or None,
        is_own=_is_true(values.get("is_own")),
        solicited=_is_true(values.get("solicited")),
        product=text("product") or None,
        product_version=text("product_version") or None,
        place=text("place") or None,
        touchpoint=text("touchpoint") or None,
        country=text("country") or None,
        raw=one if isinstance(one, Mapping) else None,
    )


def _value(name: str, path: str, one: Any, payload: Any) -> Any:
    if path.startswith(CONSTANT):
        return path.removeprefix(CONSTANT)
    if path.startswith("$."):
        return _search(path.removeprefix("$."), payload, name)
    return _search(path, one, name)


def _search(path: str, data: Any, name: str) -> Any:
    try:
        return _compiled(path, name).search(data)
    except (JMESPathError, RecursionError, TypeError, ValueError) as error:
        reason = str(error).split("\n")[0][:200]
        raise InvalidInput(
            f"{name}: {path[:80]!r} cannot be read here: {reason}", field=name
        ) from (error)


@lru_cache(maxsize=1024)
def _compiled(path: str, name: str) -> Any:
    """A path ready for use. Raises InvalidInput."""
    if len(path) > _LONGEST_PATH:
        raise InvalidInput(f"The path of {name} is longer than {_LONGEST_PATH}.", field=name)
    try:
        return jmespath.compile(_quoted(path))
    except (JMESPathError, RecursionError, ValueError) as error:
        reason = str(error).split("\n")[0][:200]
        raise InvalidInput(
            f"The path of {name} cannot be read: {reason}",
            field=name,
            hint="Write it like data.comment or answers[0].text (JMESPath); a constant after =.",
        ) from error


def _quoted(path: str) -> str:
    """Plain names as JMESPath wants them: ``응답.만족도-점수`` and ``items.0.text`` as well."""
    parts: list[str] = []
    at = 0
    for step in _STEP.finditer(path):
        name, index = step.groups()
        if step.start() != at or (name is not None and not _PLAIN.fullmatch(name)):
            return path
        if index is not None or (parts and name.isdecimal()):
            parts.append(f"[{index if index is not None else name}]")
        else:
            quoted = orjson.dumps(name.strip()).decode()
            parts.append(f".{quoted}" if parts else quoted)
        at = step.end()
    return "".join(parts) if at == len(path) and not path.startswith(".") else path


# --- values --------------------------------------------------------------------------------------


def _as_text(value: Any) -> str:
    """A value as text; a list line by line."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool) or value is None:
        return "" if value is None else str(value).lower()
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) and value.is_integer() else str(value)
    if isinstance(value, list):
        return "\n".join(part for part in map(_as_text, value[:100]) if part)
    return ""


def _is_true(value: Any) -> bool:
    if isinstance(value, str):
        return is_true(value)
    return bool(value)


def _when(value: Any, zone: ZoneInfo) -> tuple[datetime | None, Precision]:
    if isinstance(value, float):
        value = str(int(value))
    elif isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    text = _as_text(value)
    head, point, rest = text.partition(".")
    if point and head.isdecimal() and rest.isdecimal() and len(head) == 10:  # Slack's "ts"
        text = head
    return when(text, zone)


def _number(name: str, value: str, default: float | None) -> float | None:
    if not value:
        return default
    try:
        return float(value)
    except ValueError:
        raise InvalidInput(f"{name} {value[:40]!r} is not a number.", field=name) from None


def _text_of(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput("The delivery is not valid UTF-8.", field="body") from None


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        reason = str(error)[:100]
        raise InvalidInput(f"The delivery is not valid JSON ({reason}).", field="body") from error


# --- presets -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingPreset:
    """A mapping for a well-known sender, with the scheme by which it signs."""

    name: str
    title: str
    title_ko: str
    scheme: str
    mapping: FieldMapping
    help: str = ""
    help_ko: str = ""


def preset(name: str) -> MappingPreset:
    """A preset by name. Raises InvalidInput that names what there is."""
    for one in PRESETS:
        if one.name == name:
            return one
    raise InvalidInput(
        f"There is no preset {name[:40]!r}.",
        field="preset",
        hint=f"There is: {', '.join(one.name for one in PRESETS)}.",
    )


_SURVEY = {"kind": "=survey", "solicited": "=true"}
_NPS = {"rating_min": "=0", "rating_max": "=10"}
_SCALES = "form_response.answers[?contains(['opinion_scale', 'nps'], field.type)]"
_ITEM = "data.item"

PRESETS: Sequence[MappingPreset] = (
    MappingPreset(
        name="generic",
        title="Any JSON",
        title_ko="일반 JSON",
        scheme="standard",
        mapping=FieldMapping(
            fields={
                "text": "text || body || content || message || comment",
                "title": "title || subject",
                "external_id": "id || external_id",
                "url": "url || link",
                "author": "author.name || author || user.name || user",
                "published_at": "published_at || created_at || timestamp || date",
                "rating": "rating || score",
            }
        ),
        help="Fields by their usual names; change the paths to fit your payload.",
        help_ko="흔히 쓰는 이름으로 찾습니다. 보내는 내용에 맞게 경로를 고치세요.",
    ),
    MappingPreset(
        name="typeform",
        title="Typeform (NPS survey)",
        title_ko="Typeform (NPS 설문)",
        scheme="typeform",
        mapping=FieldMapping(
            when="event_type == 'form_response'",
            fields={
                "text": "form_response.answers[?type == 'text'].text",
                "external_id": "form_response.token",
                "published_at": "form_response.submitted_at",
                "rating": f"{_SCALES}.number | [0]",
                "touchpoint": "form_response.definition.title",
                **_NPS,
                **_SURVEY,
            },
        ),
        help="The first opinion scale or NPS question is the rating, 0 to 10.",
        help_ko="첫 번째 의견 척도나 NPS 문항을 0~10점 평점으로 읽습니다.",
    ),
    MappingPreset(
        name="formbricks",
        title="Formbricks (NPS survey)",
        title_ko="Formbricks (NPS 설문)",
        scheme="standard",
        mapping=FieldMapping(
            when="event == 'responseFinished'",
            fields={
                "text": "values(data.data)[?type(@) == 'string']",
                "external_id": "data.id",
                "published_at": "data.updatedAt || data.createdAt",
                "rating": "values(data.data)[?type(@) == 'number'] | [0]",
                "url": "data.meta.url",
                "country": "data.meta.country",
                "language": "data.language",
                "touchpoint": "data.surveyId",
                **_NPS,
                **_SURVEY,
            },
        ),
        help="Finished responses; the first number is the rating, 0 to 10.",
        help_ko="끝난 응답만 받습니다. 첫 번째 숫자를 0~10점 평점으로 읽습니다.",
    ),
    MappingPreset(
        name="google-forms",
        title="Google Forms (Apps Script)",
        title_ko="Google 설문지 (Apps Script)",
        scheme="token",
        mapping=FieldMapping(
            fields={
                "text": (
                    "values(answers || `{}`)[].textAnswers.answers[].value"
                    " || values(namedValues || `{}`)[]"
                ),
                "external_id": "responseId",
                "published_at": "lastSubmittedTime || createTime || timestamp",
                "touchpoint": "title || formId",
                **_SURVEY,
            },
        ),
        help="A response as Apps Script posts it: the API's shape, or namedValues of the trigger.",
        help_ko="Apps Script가 보내는 응답: API 모양이나 트리거의 namedValues를 읽습니다.",
    ),
    MappingPreset(
        name="zendesk",
        title="Zendesk tickets and comments",
        title_ko="Zendesk 문의와 댓글",
        scheme="zendesk",
        mapping=FieldMapping(
            fields={
                "text": "event.comment.body || detail.description",
                "title": "detail.subject",
                "external_id": (
                    "event.comment.id && join('-', [detail.id, to_string(event.comment.id)])"
                    " || detail.id"
                ),
                "thread_id": "detail.id",
                "parent_id": "event.comment.id && detail.id",
                "published_at": "event.comment && time || detail.created_at",
                "author_id": "event.comment.author.id || detail.requester_id",
                "author_name": "event.comment.author.name",
                "is_own": "event.comment.author.is_staff",
                "touchpoint": "detail.via.channel",
                "kind": "=ticket",
                "deleted": (
                    "contains(['zen:event-type:ticket.soft_deleted',"
                    " 'zen:event-type:ticket.permanently_deleted'], type)"
                ),
            },
        ),
        help="Ticket events of Zendesk webhooks (event subscriptions).",
        help_ko="Zendesk 웹훅의 티켓 이벤트(이벤트 구독)를 읽습니다.",
    ),
    MappingPreset(
        name="intercom",
        title="Intercom conversations",
        title_ko="Intercom 대화",
        scheme="token",
        mapping=FieldMapping(
            when="data.item.source.body || data.item.conversation_parts.conversation_parts[0].body",
            fields={
                "text": (
                    f"{_ITEM}.conversation_parts.conversation_parts[-1].body || {_ITEM}.source.body"
                ),
                "title": f"{_ITEM}.source.subject",
                "html": "=true",
                "external_id": (
                    f"{_ITEM}.conversation_parts.conversation_parts[-1].id || {_ITEM}.id"
                ),
                "thread_id": f"{_ITEM}.id",
                "published_at": (
                    f"{_ITEM}.conversation_parts.conversation_parts[-1].created_at"
                    f" || {_ITEM}.created_at"
                ),
                "author_id": (
                    f"{_ITEM}.conversation_parts.conversation_parts[-1].author.id"
                    f" || {_ITEM}.source.author.id"
                ),
                "is_own": (
                    "contains(['admin', 'bot', 'team'],"
                    f" ({_ITEM}.conversation_parts.conversation_parts[-1].author.type"
                    f" || {_ITEM}.source.author.type || ''))"
                ),
                "url": f"{_ITEM}.links.conversation_web",
                "kind": "=ticket",
            },
        ),
        help="Topics conversation.user.created and conversation.user.replied.",
        help_ko="conversation.user.created, conversation.user.replied 알림을 읽습니다.",
    ),
    MappingPreset(
        name="freshdesk",
        title="Freshdesk tickets",
        title_ko="Freshdesk 문의",
        scheme="token",
        mapping=FieldMapping(
            items="freshdesk_webhook",
            fields={
                "text": "ticket_latest_public_comment || ticket_description",
                "title": "ticket_subject",
                "html": "=true",
                "external_id": "ticket_id",
                "url": "ticket_url",
                "author_id": "ticket_requester_email",
                "author_name": "ticket_requester_name || ticket_contact_name",
                "product": "ticket_product_name",
                "touchpoint": "ticket_source",
                "kind": "=ticket",
            },
        ),
        help="An automation rule with the action “Trigger webhook”, JSON, all ticket fields.",
        help_ko="자동화 규칙의 ‘웹훅 실행’ 동작(JSON)으로 보낸 티켓을 읽습니다.",
    ),
    MappingPreset(
        name="text",
        title="Plain text (Slack-like)",
        title_ko="텍스트 (Slack 형식)",
        scheme="token",
        mapping=FieldMapping(
            fields={
                "text": "event.text || text || content",
                "author": "event.user || user_name || username",
                "published_at": "event.ts || timestamp",
                "touchpoint": "event.channel || channel_name || channel",
            }
        ),
        help='A message {"text": "…"}, a form, or the bare text.',
        help_ko='{"text": "…"}, 폼, 또는 글만 보내도 됩니다.',
    ),
)
