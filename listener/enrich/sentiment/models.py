"""Finds a shipped sentiment model by the name and version that are stored with every score."""

from __future__ import annotations

from typing import Final

from listener.enrich.sentiment.base import SentimentModel
from listener.enrich.sentiment.english import English
from listener.enrich.sentiment.korean import Korean
from listener.enrich.sentiment.korean_v1 import KoreanV1
from listener.enrich.sentiment.vader import Vader
from listener.errors import InvalidInput, NotFound

# The newest of a name first. An old one stays as long as scores of it may lie in a store.
_SHIPPED: Final = (Korean, KoreanV1, English, Vader)


def shipped_models() -> list[SentimentModel]:
    """A new object of every model that ships, the newest of a name first."""
    models: dict[tuple[str, str], SentimentModel] = {}
    for make in _SHIPPED:
        model: SentimentModel = make()
        models.setdefault((model.name, model.version), model)
    return list(models.values())


def find_model(name: str, version: str) -> SentimentModel:
    """The model that gives the very scores that are stored under this name and version.

    Raises InvalidInput where no model has that name, and NotFound, with the versions that ship,
    where none has that version.
    """
    models = shipped_models()
    versions = [model.version for model in models if model.name == name]
    if not versions:
        names = ", ".join(sorted({model.name for model in models}))
        raise InvalidInput(
            f"there is no sentiment model {name!r}", field="model", hint=f"Models: {names}."
        )
    for model in models:
        if (model.name, model.version) == (name, version):
            return model
    raise NotFound(
        f"version {version!r} of {name} does not ship with this release",
        hint=f"Versions: {', '.join(versions)}.",
    )
