from __future__ import annotations

import pytest

from listener.enrich.sentiment.english import English
from listener.enrich.sentiment.korean import Korean
from listener.enrich.sentiment.models import find_model, shipped_models
from listener.enrich.sentiment.vader import Vader
from listener.errors import InvalidInput, NotFound

# Of "배송이 늦어요" and so on, as the release that shipped it gave them.
OLD = ("-0x1.d843b91e92df2p-4", "-0x1.cb16a4915d1d5p-1", "0x1.ed4bbffa41dd7p-1")


def test_finds_what_is_in_use_by_what_is_stored_with_its_scores() -> None:
    for model, name in ((Korean(), "ko-ngram"), (English(), "en-stacked"), (Vader(), "vader")):
        (found,) = model.score(["배송이 빨라요 good"])
        assert found.model == name
        assert find_model(name, found.version).score(["배송이 빨라요 good"]) == [found]


def test_each_version_ships_once() -> None:
    models = shipped_models()
    assert len({(m.name, m.version) for m in models}) == len(models)


def test_the_first_korean_model_scores_as_it_did_() -> None:
    first = find_model("ko-ngram", "1-d434f5955e")
    found = first.score(["배송이 늦어요", "그냥 그래요", "최고예요 ㅋㅋㅋㅋ"])
    scores = [float.fromhex(s) for s in OLD]
    assert [s.score for s in found] == pytest.approx(scores, abs=1e-14)
    assert {s.version for s in found} == {"1-d434f5955e"}


def test_an_unknown_version_names_those_that_ship() -> None:
    with pytest.raises(NotFound, match="1-d434f5955e"):
        find_model("ko-ngram", "0-0000000000")
    with pytest.raises(NotFound, match="vader3"):
        find_model("en-stacked", "0-0000000000")
    with pytest.raises(InvalidInput, match="en-stacked, ko-ngram, vader"):
        find_model("nobody", "1")
