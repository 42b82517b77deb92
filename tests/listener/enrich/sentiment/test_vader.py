from __future__ import annotations

import pytest

from listener.enrich.sentiment.vader import LONG_TEXT, Vader
from listener.types import Label


@pytest.fixture(scope="module")
def vader() -> Vader:
    return Vader()


def test_keeps_the_signed_compound(vader: Vader) -> None:
    good, bad = vader.score(["I love this, it is great!", "This is horrible and I hate it."])
    assert good.score > 0.5
    assert good.label is Label.POSITIVE
    assert bad.score < -0.5
    assert bad.label is Label.NEGATIVE
    assert good.confidence == good.score
    assert bad.confidence == -bad.score


@pytest.mark.parametrize("text", ["The parcel has a label.", "", "!!!", "배송"])
def test_zero_is_neutral_and_never_negative(vader: Vader, text: str) -> None:
    (found,) = vader.score([text])
    assert (found.score, found.label, found.confidence) == (0.0, Label.NEUTRAL, 0.0)


def test_long_texts_are_read_at_their_ends(vader: Vader) -> None:
    filler = "The box has a label on its side. " * 200
    good, bad, none = vader.score(
        ["I love this shop. " + filler, filler + " What a horrible waste.", filler]
    )
    assert len(filler) > LONG_TEXT
    assert good.label is Label.POSITIVE
    assert bad.label is Label.NEGATIVE
    assert none.score == 0.0
    # The mean of what is said, not VADER's sum, which saturates.
    mixed = vader.score(["I love this shop. " + filler + " What a horrible waste."])[0]
    assert bad.score < mixed.score < good.score


def test_names_its_version(vader: Vader) -> None:
    (found,) = vader.score(["fine"])
    assert (found.model, found.version) == ("vader", vader.version)
    assert vader.version.startswith("3.3")
