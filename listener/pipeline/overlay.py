"""Trains what this install's corrections add to the Korean model, and puts it on where it is used.

The held-out check is a cross-validation over the corrections: each fifth is told by an overlay that
was made without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from sqlalchemy.orm import Session

from listener.errors import InvalidInput, NotFound
from listener.store import corrections, overlays
from listener.store.work import Database
from listener.types import Label

if TYPE_CHECKING:
    from listener.enrich.sentiment.base import SentimentModel
    from listener.enrich.sentiment.korean import Korean
    from listener.enrich.sentiment.korean_overlay import Overlay

LANGUAGE: Final = "ko"  # the language whose model takes an overlay
LEAST: Final = 30  # corrections
_FOLDS: Final = 5
_TARGETS: Final[Mapping[Label, float]] = {
    Label.POSITIVE: 1.0,
    Label.NEGATIVE: 0.0,
    Label.NEUTRAL: 0.5,
    Label.MIXED: 0.5,
}


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of it: figures over the positive and negative corrections, each held out."""

    version: str  # of model and overlay together
    examples: int
    polar: int
    before: float | None  # accuracy of the shipped model
    after: float | None  # accuracy with overlays that were made without the text
    kept: bool  # in use from now on


def overlaid(session: Session, model: SentimentModel) -> SentimentModel:
    """The model with the overlay in use, if there is one that fits it."""
    row = overlays.active(session, model.name, model.version)
    return model if row is None else _put_on(row.data)


def find(session: Session, name: str, version: str) -> SentimentModel:
    """The model of a stored score, with its overlay if it had one. Raises NotFound, InvalidInput
    where model or overlay is gone.
    """
    from listener.enrich.sentiment.models import find_model

    row = overlays.get(session, name, version)
    if row is None:
        return find_model(name, version)
    model = _put_on(row.data)
    try:
        fits = model.version == version
    except ValueError:  # it was made for other weights
        fits = False
    if not fits:
        raise NotFound(f"version {row.base!r} of {name}, which {version!r} builds on, is gone")
    return model


def train(database: Database, *, force: bool = False, now: datetime) -> Trained:
    """Train on all corrected labels of Korean texts, and use it unless it tells held-out ones worse
    (``force``: even so). The next rescoring reads by it.

    Raises InvalidInput where there are too few, with how many.
    """
    from listener.enrich.sentiment.korean import Korean
    from listener.enrich.sentiment.korean import overlay as learn

    with database.read() as session:
        found = [
            (one.text, one.label)
            for one in corrections.examples(session)
            if one.language == LANGUAGE and one.label is not None
        ]
    if len(found) < LEAST:
        raise InvalidInput(
            f"There are {len(found)} corrected labels of Korean texts; {LEAST} are needed.",
            hint="Correct more mentions in the dashboard or over the API. Models of other languages"
            " take no overlay yet.",
        )
    base = Korean()
    texts = [text for text, _ in found]
    targets = [_TARGETS[label] for _, label in found]
    before = _right(base, texts, targets)
    after = _held_out(base, texts, targets)
    made = learn(base, texts, targets)
    model = Korean(overlay=made)
    polar = len(before)
    shares = [sum(right) / polar if polar else None for right in (before, after)]
    kept = force or sum(after) >= sum(before)
    if kept:
        with database.write() as work:
            overlays.save(
                work.session,
                language=LANGUAGE,
                model=model.name,
                version=model.version,
                base=base.version,
                data=_bytes_of(made),
                examples=len(texts),
                measured={"polar": polar, "before": shares[0], "after": shares[1]},
                now=now,
            )
            work.commit()
    return Trained(model.version, len(texts), polar, shares[0], shares[1], kept)


def _held_out(base: Korean, texts: Sequence[str], targets: Sequence[float]) -> list[bool]:
    """Whether each polar text is told right by an overlay that was made without its fold."""
    from listener.enrich.sentiment.korean import Korean
    from listener.enrich.sentiment.korean import overlay as learn

    folds = [blake2b(text.encode(), digest_size=1).digest()[0] % _FOLDS for text in texts]
    right: list[bool] = []
    for fold in range(_FOLDS):
        rest = [place for place, own in enumerate(folds) if own != fold]
        held = [place for place, own in enumerate(folds) if own == fold]
        if not held:
            continue
        model = base
        if rest:
            made = learn(base, [texts[p] for p in rest], [targets[p] for p in rest])
            model = Korean(overlay=made)
        right += _right(model, [texts[p] for p in held], [targets[p] for p in held])
    return right


def _right(model: Korean, texts: Sequence[str], targets: Sequence[float]) -> list[bool]:
    scores = model.score(texts)
    return [
        (said.score > 0) == (target == 1.0)
        for said, target in zip(scores, targets, strict=True)
        if target != 0.5
    ]


def _put_on(data: bytes) -> Korean:
    from listener.enrich.sentiment.korean import Korean
    from listener.enrich.sentiment.korean_overlay import load

    with TemporaryDirectory() as folder:
        path = Path(folder) / "overlay.npz"
        path.write_bytes(data)
        return Korean(overlay=load(path))


def _bytes_of(overlay: Overlay) -> bytes:
    from listener.enrich.sentiment.korean_overlay import save

    with TemporaryDirectory() as folder:
        path = Path(folder) / "overlay.npz"
        save(overlay, path)
        return path.read_bytes()
