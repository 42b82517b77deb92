from __future__ import annotations

import numpy as np
import pytest

from listener.enrich.sentiment.korean_lexicon import (
    DENSE,
    Entry,
    Hits,
    Lexicon,
    classes,
    compile_lexicon,
    read_entries,
    summary,
)
from listener.enrich.sentiment.ngrams import fold


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return compile_lexicon(read_entries())


def find(lexicon: Lexicon, *texts: str) -> Hits:
    return lexicon.find(fold(texts))


def told(lexicon: Lexicon, text: str) -> list[float]:
    """Polarities in order, turned round where they are denied."""
    hits = find(lexicon, text)
    return [float(-hits.polarity[i] if hits.denied[i] else hits.polarity[i]) for i in hits.order]


def test_entries_are_well_formed() -> None:
    entries = read_entries()
    assert len(entries) > 2500
    assert all(-3 <= e.polarity <= 3 and e.stem.strip() for e in entries)
    assert len({e.stem for e in entries if e.polarity}) == sum(bool(e.polarity) for e in entries)
    assert all(bool(e.polarity) != (e.area in {"negation", "contrast"}) for e in entries)


@pytest.mark.parametrize("form", ["느려요", "느린", "느림", "느립니다", "느렸어요", "느리고"])
def test_a_stem_stands_for_its_forms(form: str) -> None:
    lexicon = compile_lexicon([Entry("느리~", -2, "app")])
    assert told(lexicon, f"앱이 {form}") == [-2]


@pytest.mark.parametrize("form", ["예뻐요", "예쁜", "예쁘네", "편해요", "편한", "편합니다"])
def test_vowels_that_change_are_known(form: str) -> None:
    lexicon = compile_lexicon([Entry("예쁘~", 2, "quality"), Entry("편하~", 2, "quality")])
    assert told(lexicon, form) == [2]


def test_blanks_do_not_matter_but_short_words_do_not_span_them(lexicon: Lexicon) -> None:
    assert told(lexicon, "마음에들어요") == told(lexicon, "마음에 들어요") == [2]
    assert told(compile_lexicon([Entry("오류", -3, "app")]), "오 류현진") == []


def test_denial_turns_and_a_stop_ends_it(lexicon: Lexicon) -> None:
    assert told(lexicon, "불편하지 않아요") == [2]
    assert told(lexicon, "안 친절해요") == [-2]
    assert told(lexicon, "친절합니다. 없어요")[0] == 2


def test_the_longest_entry_wins(lexicon: Lexicon) -> None:
    assert told(lexicon, "맛없어요") == [-3]
    assert told(lexicon, "불편") == [-2]  # and not 편


def test_what_follows_the_last_contrast_is_marked(lexicon: Lexicon) -> None:
    hits = find(lexicon, "배송은 빠른데 품질이 별로")
    assert [bool(hits.turned[i]) for i in hits.order] == [False, True]
    assert not find(lexicon, "품질이 별로").turned.any()


def test_texts_do_not_mix(lexicon: Lexicon) -> None:
    texts = ["좋아요", "", "배송은 느렸지만 친절해요", "최악", "안", "좋지", "않아요"]
    together = summary(find(lexicon, *texts), len(texts))
    assert together.shape == (len(texts), DENSE)
    for row, text in zip(together, texts, strict=True):
        assert np.array_equal(row, summary(find(lexicon, text), 1)[0])


def test_classes_tell_side_strength_and_denial() -> None:
    entries = [
        Entry("최고", 3, "general"),
        Entry("별로", -2, "general"),
        Entry("않", 0, "negation"),
    ]
    hits = find(compile_lexicon(entries), "최고 그리고 별로", "최고 않")
    assert [classes(hits)[i] for i in hits.order] == [4, 1, 6]


def test_no_hit_is_no_error(lexicon: Lexicon) -> None:
    assert summary(find(lexicon, "", "가"), 2).tolist() == [[0] * DENSE] * 2
