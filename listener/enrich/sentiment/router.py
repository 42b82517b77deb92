"""Chooses the sentiment model by language; without one, not scored is not neutral."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from listener.enrich.sentiment.base import SentimentModel
from listener.types import Sentiment


class Router:
    """A set of models, at most one for a language."""

    def __init__(self, models: Iterable[SentimentModel]) -> None:
        """Take the models. Raises ValueError where two claim the same language."""
        self._by_language: dict[str, SentimentModel] = {}
        for model in models:
            for language in model.languages:
                if language in self._by_language:
                    raise ValueError(f"two sentiment models for {language!r}")
                self._by_language[language] = model

    @property
    def models(self) -> dict[str, tuple[str, str]]:
        """Name and version of the model of each language."""
        return {code: (m.name, m.version) for code, m in sorted(self._by_language.items())}

    def score(self, texts: Sequence[str], languages: Sequence[str]) -> list[Sentiment | None]:
        """Score each text by its language's model, a batch per model; None where there is none."""
        scores: list[Sentiment | None] = [None] * len(texts)
        groups: defaultdict[int, list[int]] = defaultdict(list)
        for index, language in enumerate(languages):
            model = self._by_language.get(language)
            if model is not None and texts[index].strip():
                groups[id(model)].append(index)
        for indexes in groups.values():
            model = self._by_language[languages[indexes[0]]]
            for index, found in zip(indexes, model.score([texts[i] for i in indexes]), strict=True):
                scores[index] = found
        return scores
