"""Forms: what was typed, and what is wrong with it in words, field by field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from api.dashboard.i18n import Speaker
from listener.errors import Conflict, InvalidInput, ListenerError, NotFound, TargetForbidden
from listener.match.query import InvalidTerm

Fields = Mapping[str, str]
ANYWHERE = ""  # an error that belongs to no field


@dataclass(slots=True)
class Form:
    """What somebody typed. ``errors`` are by field; ANYWHERE is for the form as a whole."""

    values: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    def get(self, name: str) -> str:
        """One field, trimmed; empty where it was not sent."""
        return self.values.get(name, "")

    def lines(self, name: str) -> list[str]:
        """A field that holds one entry a line, or several between commas."""
        text = self.get(name).replace(",", "\n")
        return [line.strip() for line in text.splitlines() if line.strip()]

    def blame(self, error: ListenerError, say: Speaker, *, place: str = ANYWHERE) -> None:
        """Put an error beside its field, in the reader's language."""
        at = place
        if isinstance(error, InvalidInput) and error.field:
            at = error.field
        self.errors.setdefault(at, in_words(error, say))


async def _read(request: Request) -> Form:
    form = await request.form()
    return Form(
        {
            name: value.replace("\0", "").strip()
            for name, value in form.multi_items()
            if isinstance(value, str) and name != "csrf"
        }
    )


Sent = Annotated[Form, Depends(_read)]

_TERM_FAULTS: dict[str, str] = {
    "too-short": (
        "‘{term}’은(는) 한 글자라 아무 글에나 나옵니다. "
        "두 글자 이상으로 적거나 해시태그로 넣으세요."
    ),
    "too-long": "‘{term}’은(는) 너무 깁니다. 문장 대신 이름을 적어 주세요.",
    "no-letters": "‘{term}’에는 글자도 숫자도 없습니다. 낱말로 적어 주세요.",
    "has-space": (
        "‘{term}’에 해시태그나 계정에 쓸 수 없는 빈칸·기호가 있습니다. "
        "붙여 쓰거나 다른 이름에 넣으세요."
    ),
    "excludes-itself": (
        "‘{term}’을(를) 빼면 브랜드 이름이 든 글까지 빠집니다. 제외할 말에서 지워 주세요."
    ),
    "too-many": "말이 너무 많습니다. 줄이거나 브랜드를 나누어 주세요.",
}


def in_words(error: ListenerError, say: Speaker) -> str:
    """What is wrong and what to do, in the reader's language.

    English is what the core speaks; the common cases have Korean words of their own, the others
    are shown as they are rather than hidden.
    """
    if say.language == "en":
        return str(error)
    if isinstance(error, InvalidTerm):
        fault = _TERM_FAULTS.get(error.reason)
        if fault:
            return fault.format(term=error.term)
        return f"‘{error.term}’은(는) 쓸 수 없습니다. 글자나 숫자가 든 다른 말로 적어 주세요."
    if isinstance(error, Conflict):
        restore = " 보관된 항목에 있으니 되살려 쓰세요." if "archived" in (error.hint or "") else ""
        return f"같은 이름이 이미 있습니다.{restore or ' 다른 이름을 적어 주세요.'}"
    if isinstance(error, TargetForbidden):
        return "내부 네트워크의 주소라서 보낼 수 없습니다. 밖에서 열리는 주소를 적어 주세요."
    if isinstance(error, NotFound):
        return "고른 항목이 없어졌습니다. 다시 골라 주세요."
    if isinstance(error, InvalidInput):
        message = error.message.lower()
        if "needs" in message:
            return "꼭 적어야 하는 칸입니다." + _example(error)
        if "too often" in message or ("at most" in message and "seconds" in message):
            return "너무 자주입니다. 10초 이상으로 적어 주세요."
        if "at most" in message:
            return "너무 깁니다. 줄여 주세요."
        return f"이 값은 쓸 수 없습니다.{_example(error)}"
    return str(error)


def _example(error: InvalidInput) -> str:
    hint = error.hint or ""
    if hint.startswith("For example: "):
        _, _, example = hint.removeprefix("For example: ").partition("=")
        return f" 예: {example}"
    return ""
