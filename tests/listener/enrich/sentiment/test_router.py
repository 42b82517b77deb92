from __future__ import annotations

import pytest

from listener.enrich.sentiment.router import Router
from listener.enrich.sentiment.vader import Vader


def test_a_language_without_a_model_is_not_scored() -> None:
    found = Router([Vader()]).score(["great", "super", "great", "  "], ["en", "de", "und", "en"])
    assert found[0] is not None
    assert found[0].model == "vader"
    assert found[1:] == [None, None, None]


def test_two_models_for_one_language_are_refused() -> None:
    with pytest.raises(ValueError, match="'en'"):
        Router([Vader(), Vader()])


def test_tells_its_models() -> None:
    assert Router([Vader()]).models == {"en": ("vader", Vader().version)}
