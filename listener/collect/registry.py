"""Which sources there are: pollers found in ``sources/``, spiders as they describe themselves.

The registry also judges a watch's parameters before it is saved, and tells forms, API and docs what
a source wants.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from listener.collect import sources
from listener.collect.base import Poller, Source
from listener.collect.push import PUSHED
from listener.collect.selectors import to_xpath
from listener.errors import InvalidInput
from listener.net.client import Net
from listener.settings import PREFIX, Settings
from listener.types import Collector, Param, SourceSpec

_HANGUL = re.compile("[\uac00-\ud7a3]")
_SENTENCE = re.compile(r"[.;](?=\s|\Z)")
_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})
_JSON_TYPES = {
    "string": "string",
    "text": "string",
    "url": "string",
    "selector": "string",
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
}


class Registry:
    """The sources by name: those that are watched, and (``specs`` alone) those that send."""

    def __init__(
        self, collectors: Mapping[str, Collector], pushed: Sequence[SourceSpec] = ()
    ) -> None:
        self._collectors = dict(sorted(collectors.items()))
        self._pushed = {spec.name: spec for spec in pushed}

    def names(self) -> list[str]:
        """The name of every source that can be watched, sorted."""
        return list(self._collectors)

    def specs(self) -> list[SourceSpec]:
        """Every source's spec, sorted by name."""
        watched = {name: collector.spec for name, collector in self._collectors.items()}
        return [spec for _, spec in sorted((watched | self._pushed).items())]

    def collector(self, source: str) -> Collector:
        """The collector of a source. Raises InvalidInput that names what there is."""
        found = self._collectors.get(source)
        if found is None and source in self._pushed:
            raise InvalidInput(
                f"{self._pushed[source].title} is not watched: it comes by itself.",
                field="source",
                hint=self._pushed[source].push,
            )
        if found is None:
            raise InvalidInput(
                f"There is no source {source!r}.",
                field="source",
                hint=_instead(source, self._collectors),
            )
        return found

    def spec(self, source: str) -> SourceSpec:
        """The spec of a source. Raises InvalidInput."""
        return self.collector(source).spec


def find_pollers() -> dict[str, type[Poller]]:
    """Those of the sources that are asked over HTTP."""
    return {name: one for name, one in find_sources().items() if issubclass(one, Poller)}


def find_sources() -> dict[str, type[Source]]:
    """The Source classes in ``listener/collect/sources/``, by the name in their spec.

    A module brings the classes that it defines itself, so that one can build on another's.
    """
    found: dict[str, type[Source]] = {}
    for module in pkgutil.iter_modules(sources.__path__, prefix=f"{sources.__name__}."):
        for value in vars(importlib.import_module(module.name)).values():
            if (
                isinstance(value, type)
                and issubclass(value, Source)
                and value.__module__ == module.name
                and hasattr(value, "spec")
            ):
                found[value.spec.name] = value
    return found


def build_registry(net: Net, settings: Settings) -> Registry:
    """All sources of this install: those on ``net``, spiders that run in processes of their own,
    and those that send by themselves.
    """
    from listener.collect.spider import spider_collectors

    collectors: dict[str, Collector] = {
        name: source(net) for name, source in find_sources().items()
    }
    return Registry({**spider_collectors(settings), **collectors}, PUSHED)


def check_params(spec: SourceSpec, params: Mapping[str, str]) -> dict[str, str]:
    """A watch's parameters as they are stored: known names, checked values, defaults filled in.

    An empty value counts as not given. Raises InvalidInput that names the parameter, and an
    example.
    """
    known = {one.name: one for one in spec.params}
    for name in params:
        if name not in known:
            raise InvalidInput(
                f"{spec.title} has no parameter {name!r}.", field=name, hint=_instead(name, known)
            )
    checked: dict[str, str] = {}
    for one in spec.params:
        value = str(params.get(one.name) or "").strip() or one.default
        if value:
            checked[one.name] = _checked(one, value)
        elif one.required:
            raise InvalidInput(
                f"{spec.title} needs {one.name} ({one.title}).", field=one.name, hint=_example(one)
            )
    return checked


def spec_json(spec: SourceSpec) -> dict[str, Any]:
    """A spec as plain JSON: what a form or a client needs; ``params`` is a JSON schema."""
    return {
        "name": spec.name,
        "title": spec.title,
        "title_ko": spec.title_ko,
        "kind": spec.kind.value,
        "every_seconds": int(spec.every.total_seconds()),
        "default_match": spec.default_match.value,
        "needs_brand": spec.needs_brand,
        "languages": list(spec.languages),
        "base_url": spec.base_url,
        "base_url_setting": None if spec.push else f"{PREFIX}{spec.name.upper()}__BASE_URL",
        "params": {
            "type": "object",
            "properties": {one.name: _property(one) for one in spec.params},
            "required": [one.name for one in spec.params if one.required],
            "additionalProperties": False,
        },
        "credentials": [
            {
                "name": one.name,
                "title": one.title,
                "required": one.required,
                **_in_both("help", one.help),
                "setting": f"{PREFIX}{spec.name.upper()}__{one.name.upper()}",
            }
            for one in spec.credentials
        ],
        "signup": spec.signup,
        "push": spec.push,
        **_in_both("cost", spec.cost),
        **_in_both("limits", spec.limits),
        **_in_both("terms", spec.terms),
        "quotas": [
            {
                "unit": one.unit,
                "amount": one.amount,
                "per": one.per,
                "zone": one.zone,
                "title": one.title,
                "title_ko": one.title_ko,
            }
            for one in spec.quotas
        ],
        "prices": [{"unit": one.unit, "micro_usd": one.micro_usd} for one in spec.prices],
        "presets": [
            {
                "name": one.name,
                "title": one.title,
                "title_ko": one.title_ko,
                "params": dict(one.params),
                "word": one.word,
                "word_ko": one.word_ko,
                "example": one.example,
                "brand": one.brand,
            }
            for one in spec.presets
        ],
        "first": spec.first,
    }


def in_two(text: str) -> tuple[str, str]:
    """The Korean and the English part of a text that is written in both, Korean first, as specs
    do: the cut is at the end of the last sentence with Hangul. One part may be empty.
    """
    last = max((found.end() for found in _HANGUL.finditer(text)), default=0)
    if not last:
        return "", text
    end = _SENTENCE.search(text, last)
    return (text[: end.end()].strip(), text[end.end() :].strip()) if end else (text, "")


def _in_both(name: str, text: str) -> dict[str, str]:
    korean, english = in_two(text)
    return {name: english or korean, f"{name}_ko": korean or english}


def _checked(one: Param, value: str) -> str:
    """One value in its one spelling. Raises InvalidInput."""
    if one.choices:
        match = next((choice for choice in one.choices if choice.lower() == value.lower()), None)
        if match is None:
            raise _wrong(one, f"is one of {', '.join(one.choices)}, not {value[:50]!r}")
        return match
    if one.kind == "integer":
        try:
            return str(int(value.replace(",", "").replace("_", "")))
        except ValueError:
            raise _wrong(one, f"is a whole number, not {value[:50]!r}") from None
    if one.kind == "number":
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if number != number or number in (float("inf"), float("-inf")):
            raise _wrong(one, f"is a number, not {value[:50]!r}")
        return value
    if one.kind == "boolean":
        word = value.lower()
        if word not in _TRUE | _FALSE:
            raise _wrong(one, f"is true or false, not {value[:50]!r}")
        return "true" if word in _TRUE else "false"
    if one.kind == "url":
        return _url(one, value)
    if one.kind == "selector":
        try:
            to_xpath(value)
        except ValueError as error:
            raise _wrong(one, f"is a CSS selector or an XPath ({error})") from None
    if len(value) > 4_000:
        raise _wrong(one, "is too long")
    return value


def _url(one: Param, value: str) -> str:
    """A web address; where people leave the scheme out, https is meant."""
    text = value if "://" in value else f"https://{value}"
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        host = ""
    if not host or parts.scheme.lower() not in ("http", "https") or any(c.isspace() for c in host):
        raise _wrong(one, f"is a web address, not {value[:80]!r}")
    return text


def _wrong(one: Param, what: str) -> InvalidInput:
    return InvalidInput(f"{one.name} ({one.title}) {what}.", field=one.name, hint=_example(one))


def _example(one: Param) -> str | None:
    return f"For example: {one.name}={one.example}" if one.example else None


def _instead(name: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    if near:
        return f"Did you mean {near[0]!r}?"
    return f"There is: {', '.join(sorted(known))}." if known else "There is none."


def _property(one: Param) -> dict[str, Any]:
    schema: dict[str, Any] = {
        "type": _JSON_TYPES[one.kind],
        "title": one.title,
        "title_ko": one.title_ko,
        **_in_both("description", one.help),
    }
    if one.kind == "url":
        schema["format"] = "uri"
    if one.choices:
        schema["enum"] = list(one.choices)
    if one.default is not None:
        schema["default"] = one.default
    if one.example is not None:
        schema["examples"] = [one.example]
    return schema
