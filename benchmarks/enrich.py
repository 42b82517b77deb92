"""Measures enrichment on short mixed texts beside bare VADER, in one run, and where its time goes.

python benchmarks/enrich.py [--texts N] [--seed N]
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from listener.enrich.language import LanguageDetector
from listener.enrich.reader import Reader
from listener.enrich.rules import fold, load_rules
from listener.enrich.sentiment.base import SentimentModel
from listener.enrich.sentiment.english import English
from listener.enrich.sentiment.korean import Korean
from listener.enrich.sentiment.vader import Vader
from listener.types import Kind, Match, MatchOrigin, Mention, Sentiment, Span

KOREAN: Final = (
    "애크미 배송이 너무 늦어요",
    "어제 주문했는데 오늘 아침에 왔어요",
    "고객센터 전화를 안 받네요 벌써 세 번째입니다",
    "앱이 계속 튕겨서 결제를 못 했어요",
    "가격 대비 품질이 아주 좋아요",
    "환불 신청한 지 2주가 지났는데 답이 없어요",
    "포장이 꼼꼼하고 마음에 들어요",
    "재입고는 언제 되나요?",
    "볼트보다 애크미가 훨씬 낫네요",
    "오늘 점심은 국수를 먹었다",
    "생각보다 별로네요 다시는 안 사요",
    "디자인은 예쁜데 내구성이 약해요",
)
ENGLISH: Final = (
    "Acme delivery is late again and nobody answers",
    "I love the new screen, it is beautiful",
    "The app crashes every time I try to pay",
    "Great quality for the price, would buy again",
    "still waiting for my refund after three weeks",
    "Does it come in blue?",
    "Customer service was friendly and quick",
    "Worst purchase I have made this year",
    "Bolt is cheaper but Acme works better",
    "Had noodles for lunch today",
)


def corpus(count: int, seed: int) -> list[Mention]:
    """Half Korean, half English, of one or two sentences (about 90 characters at most)."""
    chance = random.Random(seed)
    mentions: list[Mention] = []
    for number in range(count):
        source = KOREAN if number % 2 else ENGLISH
        text = " ".join(chance.choices(source, k=chance.choice((1, 2, 2)))) + f" #{number}"
        mentions.append(
            Mention(
                source="file",
                namespace="",
                external_id=str(number),
                kind=Kind.POST,
                text=text,
                content_hash=str(number),
            )
        )
    return mentions


def matches_of(mention: Mention) -> list[Match]:
    """The brands named, as the matcher would tell them."""
    found: list[Match] = []
    for brand, terms in ((1, ("애크미", "Acme")), (2, ("볼트", "Bolt"))):
        spans = tuple(
            Span("text", mention.text.index(term), mention.text.index(term) + len(term), term)
            for term in terms
            if term in mention.text
        )
        if spans:
            found.append(Match(brand_id=brand, origin=MatchOrigin.TERM, spans=spans))
    return found


def measure(name: str, count: int, work: Callable[[], object]) -> float:
    """Print the best of some runs, per second of CPU time. Returns microseconds each."""
    best = min(_timed(work) for _ in range(3)) / count
    print(f"{name:<44} {1 / best:>10,.0f} /cpu-s {best * 1e6:>8.1f} µs each")
    return best * 1e6


def _timed(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


class Timed:
    """A sentiment model that adds up what its scoring takes."""

    def __init__(self, model: SentimentModel) -> None:
        self._model = model
        self.name, self.version, self.languages = model.name, model.version, model.languages
        self.seconds = 0.0

    def score(self, texts: Sequence[str]) -> list[Sentiment]:
        """Score as the model does."""
        start = time.process_time()
        scores = self._model.score(texts)
        self.seconds += time.process_time() - start
        return scores


def stages(
    mentions: Sequence[Mention],
    matches: Sequence[Sequence[Match]],
    vader: float,
    models: list[Timed],
) -> None:
    """Print where the time of a mention goes, in CPU time of one run; ``vader`` is µs a text."""
    rules, detector, count = load_rules(), LanguageDetector(), len(mentions)
    texts = [mention.text for mention in mentions]
    reader = Reader(rules, models)
    reader.read(mentions[:500], matches[:500])
    for model in models:
        model.seconds = 0.0
    whole = _timed(lambda: reader.read(mentions, matches))
    parts = {"language": _timed(lambda: detector.detect_batch(texts))}
    for model in models:
        parts[f"sentiment {'+'.join(sorted(model.languages))}"] = model.seconds
    parts["rules"] = _timed(lambda: [rules.find(fold(text)) for text in texts])
    parts["clauses, aspects, tags, brands"] = whole - sum(parts.values())
    print("where the time of a mention goes, µs:")
    for name, seconds in parts.items():
        print(f"  {name:<32} {seconds / count * 1e6:>8.1f}  {seconds / whole:>5.0%}")
    each = whole / count * 1e6
    print(f"  {'all':<32} {each:>8.1f}  {each / vader:.1f} times bare VADER on an English text")


def main() -> None:
    """Build the corpus, warm everything up, print one line a measurement."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--texts", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()

    mentions = corpus(arguments.texts, arguments.seed)
    matches = [matches_of(m) for m in mentions]
    texts = [m.text for m in mentions]
    korean, english = texts[1::2], texts[0::2]
    reader, rules, detector = Reader.default(), load_rules(), LanguageDetector()
    models = (Korean(), Vader(), English())
    reader.read(mentions[:200], matches[:200])
    models[0].score(korean[:10])
    models[1].score(english[:10])
    models[2].score(english[:10])
    detector.detect_batch(texts)

    size = sum(map(len, texts)) / len(texts)
    print(f"{len(texts):,} texts, half Korean, half English, {size:.0f} characters on average")
    vader = measure("floor: bare VADER, English", len(english), lambda: models[1].score(english))
    measure("English model, VADER in it", len(english), lambda: models[2].score(english))
    measure("floor: our model, Korean", len(korean), lambda: models[0].score(korean))
    measure("language, all", len(texts), lambda: detector.detect_batch(texts))
    measure("rules, all", len(texts), lambda: [rules.find(fold(t)) for t in texts])
    for name, half in (("Korean", slice(1, None, 2)), ("English", slice(0, None, 2))):
        pair = mentions[half], matches[half]
        measure(f"Reader.read, {name}", len(pair[0]), partial(reader.read, *pair))
    measure("Reader.read, all", len(texts), lambda: reader.read(mentions, matches))
    stages(mentions, matches, vader, [Timed(models[0]), Timed(models[2])])


if __name__ == "__main__":
    main()
