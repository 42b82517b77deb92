from __future__ import annotations

import csv
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import pytest

from listener.enrich.language import LanguageDetector
from listener.enrich.reader import Reader
from listener.enrich.rules import Rules
from listener.enrich.sentiment import train_english
from listener.enrich.sentiment.english import BY_SENTENCE, English, make_reader, together
from listener.enrich.sentiment.english_ngrams import hash_texts
from listener.enrich.sentiment.vader import Vader
from listener.types import Label, Sentiment

SERVICE = Path(__file__).parents[1] / "service_en.tsv"


@pytest.fixture(scope="module")
def english() -> English:
    return English()


@pytest.fixture(scope="module")
def vader() -> Vader:
    return Vader()


RAW = (
    "I love this, it is great!",
    "VADER is VERY SMART, uber handsome, and FRIGGIN FUNNY!!!",
    "The plot was good, but the characters are uncompelling and the dialog is not great.",
    "Not such a badass after all. But the food, but the view!",
    "At least it isn't a horrible book.",
    "Without a doubt, an excellent idea. No problem? no good or nor bad :) 😁💘",
    "never so good, never this bad, kind of nice, to die for, yeah right, least helpful",
    "no, NO, thanks",
    "",
    "   ",
    "The box has a label.",
    "I love this shop. " + "The box has a label on its side. " * 200 + " What a horrible waste.",
)


def test_keeps_the_compound_of_vader_as_it_is(english: English, vader: Vader) -> None:
    assert [s.raw for s in english.score(RAW)] == [s.score for s in vader.score(RAW)]


@pytest.mark.parametrize(
    "text",
    [
        "@acme please fix your website, I can't check in and the flight leaves in an hour",
        "Great, it crashed again",
        "thanks for nothing @acme",
        "@acme would love a reply to the three mails I sent",
        "@acme flight delayed 4 hours and nobody tells us anything",
        "still waiting for my refund after six weeks",
        "been on hold for an hour @acme",
        "Fantastic, another parcel gone missing",
        "Oh lovely. Yet another queue",
        "Awesome, they lost my bag",
        "#CustomerServiceFail",
        "#epicfail @acme",
        "I don't think that this has ever been any good",
        "@acme cancelled my flight and lost my bag",
    ],
)
def test_hears_complaints_that_vader_misses(english: English, text: str) -> None:
    (found,) = english.score([text])
    assert found.label is Label.NEGATIVE
    assert found.score < 0


@pytest.mark.parametrize(
    "text",
    [
        "No problem at all with this phone",
        "can't wait to fly with @acme next week!",
        "I can't fault it.",
        "never had an issue with it in two years",
        "Works perfectly, would buy again",
        "Lovely, another great evening with you",
        "@acme thank you so much for the quick help!",
    ],
)
def test_hears_praise_that_is_put_as_a_denial(english: English, text: str) -> None:
    (found,) = english.score([text])
    assert found.label is Label.POSITIVE
    assert found.score > 0


@pytest.mark.parametrize(
    "text",
    [
        "@united what time does the bag drop open at Gatwick?",
        "@acme can I use the credit for a better seat?",
        "@acme how do I report a lost bag?",
        "UNITED to open a new hub in Denver http://example.com/a",
        "It comes in black and white and weighs 300 g.",
    ],
)
def test_questions_and_facts_are_neutral(english: English, text: str) -> None:
    assert english.score([text])[0].label is Label.NEUTRAL


@pytest.mark.parametrize(
    "text", ["Love the camera but the battery is awful", "Delicious food, terrible service."]
)
def test_both_sides_are_mixed(english: English, text: str) -> None:
    assert english.score([text])[0].label is Label.MIXED


def test_unknown_words_are_uncertain_and_no_words_are_neutral(english: English) -> None:
    unknown, nothing, empty = english.score(["qwzxv brfgl trnkk wplmz", "...", ""])
    assert (unknown.label, unknown.score, unknown.confidence) == (Label.UNCERTAIN, 0.0, 0.0)
    assert (nothing.label, nothing.score, nothing.confidence) == (Label.NEUTRAL, 0.0, 0.0)
    assert (empty.label, empty.score) == (Label.NEUTRAL, 0.0)


def test_names_and_addresses_say_nothing(english: English) -> None:
    plain, named = english.score(
        ["@acme my bag is late http://a.example/x", "@lovely my bag is late http://hate.example/y"]
    )
    assert plain.score == named.score


def test_long_texts_count_what_most_sentences_say(english: English) -> None:
    filler = "The box has a label on its side. " * 15
    good, bad, both = english.score(
        [
            filler + "I love it, it works perfectly. Best purchase ever!",
            "It broke after a day. Terrible quality, waste of money. " + filler,
            "I love the screen. The camera is fantastic. " + filler + "It broke. Awful service.",
        ]
    )
    assert len(filler) > BY_SENTENCE
    assert good.label is Label.POSITIVE
    assert bad.label is Label.NEGATIVE
    assert both.label is Label.MIXED
    assert bad.score < both.score < good.score


def test_a_text_scores_the_same_in_any_batch(english: English) -> None:
    alone = [english.score([text])[0] for text in RAW]
    assert english.score(RAW) == alone
    short = [text for text in RAW if len(text) <= BY_SENTENCE]
    batch = english.score(short * 30)
    assert len(batch) > 256
    assert batch[-len(short) :] == alone[: len(short)]


def test_sentences_together() -> None:
    chances, mixed = together([[0.2, 0.7, 0.1], [0.9, 0.1, 0.0], [0.0, 0.1, 0.9]], 1.2)
    assert mixed
    assert chances == pytest.approx([0.45, 0.1, 0.45])
    assert together([[0.0, 1.0, 0.0]], 1.2) == ([0.0, 1.0, 0.0], False)


def test_splits_hashtags() -> None:
    reader = make_reader(["still waiting"], [-1.4])
    assert reader.clean("#CustomerServiceFail").split() == ["#", "customer", "service", "fail"]
    assert reader.clean("#epicfail").split() == ["#", "epic", "fail"]
    assert reader.clean("#qwzxv").split() == ["#", "qwzxv"]
    assert reader.clean("ask @a_b at www.x.example").split() == ["ask", "@", "at", "^"]


def test_hashes_words_and_pairs_alike_wherever_they_stand() -> None:
    alone = hash_texts(["good one"], 1 << 16)
    behind = hash_texts(["something else", "", "good one"], 1 << 16)
    assert alone.words == 2
    assert sorted(behind.buckets[behind.rows == 2]) == sorted(alone.buckets)
    assert behind.counts.tolist() == [3, 0, 3]


def test_names_its_version(english: English) -> None:
    (found,) = english.score(["fine"])
    assert (found.model, found.version) == ("en-stacked", english.version)
    assert english.version.startswith("1-")
    assert "+vader3.3" in english.version


def test_own_sentences_are_many_and_well_formed() -> None:
    folder = resources.files("listener.enrich.sentiment").joinpath("sentences")
    texts: list[str] = []
    for name in ("en_tweets", "en_reviews"):
        lines = folder.joinpath(f"{name}.tsv").read_text("utf-8").splitlines()
        for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
            assert row["label"] in {"positive", "negative", "neutral", "mixed"}, row
            texts.append(row["text"])
    assert len(texts) >= 1500
    assert len(set(texts)) == len(texts)
    assert not set(texts) & {
        row["text"]
        for row in csv.DictReader(SERVICE.read_text("utf-8").splitlines(), delimiter="\t")
    }


class Spanish:
    """A scorer for one more language, whole."""

    name = "es-words"
    version = "1"
    languages = frozenset({"es"})

    def score(self, texts: Sequence[str]) -> list[Sentiment]:
        return [
            Sentiment(
                score=-0.9, label=Label.NEGATIVE, confidence=0.9, model=self.name, version="1"
            )
            for _ in texts
        ]


SPANISH = "El paquete llegó tarde y nadie contesta el teléfono, estoy muy decepcionado"
FRENCH = "Le colis est arrivé en retard et personne ne répond au téléphone"


def test_a_scorer_for_one_more_language_is_one_class(
    english: English, rules: Rules, detector: LanguageDetector
) -> None:
    texts = ["The parcel never arrived", SPANISH, FRENCH, "荷物がまだ届きません、とても残念です"]
    before = Reader(rules, [english], detector).read_texts(texts)
    assert [reading.language for reading in before] == ["en", "es", "fr", "ja"]
    assert [reading.sentiment is None for reading in before] == [False, True, True, True]
    after = Reader(rules, [english, Spanish()], detector).read_texts(texts)
    assert after[1].sentiment is not None
    assert after[1].sentiment.model == "es-words"
    assert after[0].sentiment == before[0].sentiment
    assert after[2].sentiment is None


def test_trains_the_same_model_again_and_loads_it(tmp_path: Path) -> None:
    said = {
        "negative": ("the bag is late", "awful and slow", "it broke", "never again"),
        "neutral": ("the bag is blue", "two of them", "where is it sold?", "it opens at six"),
        "positive": ("love the bag", "fast and kind", "it works", "thanks for the help"),
        "mixed": ("love the bag, hate the price",),
    }
    signs = {"negative": -1, "neutral": 0, "positive": 1, "mixed": train_english.MIXED}
    targets = {"negative": (1, 0, 0), "neutral": (0, 1, 0), "positive": (0, 0, 1)}
    examples = [
        train_english.Example(
            f"{text} {number}", targets.get(label, (0.5, 0, 0.5)), signs[label], None, "own", 1.0
        )
        for label, texts in said.items()
        for text in texts
        for number in ("", "now", "today", "in Leeds", "again")
    ]
    lexicon = (("slow", "kind", "never again"), (-1.4, 1.5, -2.8))
    files = []
    for name in ("a.npz", "b.npz"):
        weights, report = train_english.train(examples, lexicon, size=1 << 10)
        train_english.save(weights, tmp_path / name)
        files.append((tmp_path / name).read_bytes())
    assert files[0] == files[1]
    assert report["version"] == weights.version
    good, bad = English(tmp_path / "a.npz").score(["fast and kind", "never again"])
    assert good.score > 0 > bad.score
    assert good.version.startswith(weights.version)


def test_ratings_become_chances() -> None:
    negative, neutral, positive = train_english.rating_target(3.0)
    assert positive > 0.99
    assert negative + neutral + positive == pytest.approx(1)
    assert train_english.rating_target(0.0)[1] > 0.6
    assert train_english.rating_target(-2.0)[0] == train_english.rating_target(2.0)[2]
