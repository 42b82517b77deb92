"""What the tests of enrichment share: rules and models are read once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from listener.enrich.language import LanguageDetector
from listener.enrich.reader import Reader
from listener.enrich.rules import Rules, load_rules
from listener.types import Kind, Mention


@pytest.fixture(scope="session")
def rules() -> Rules:
    return load_rules()


@pytest.fixture(scope="session")
def reader() -> Reader:
    return Reader.default()


@pytest.fixture(scope="session")
def detector() -> LanguageDetector:
    return LanguageDetector()


@pytest.fixture(scope="session")
def a_mention() -> Callable[..., Mention]:
    def build(text: str, **fields: Any) -> Mention:
        known: dict[str, Any] = {
            "source": "feed",
            "namespace": "shop.test",
            "external_id": "1",
            "kind": Kind.REVIEW,
            "content_hash": "h",
        }
        return Mention(text=text, **(known | fields))

    return build
