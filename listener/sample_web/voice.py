"""Compose what one person writes: topic, stance and register become a text."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from listener.sample_web.catalogue import (
    BRANDS,
    NEW_COURIER,
    NEW_COURIER_EN,
    OLD_COURIER,
    OLD_COURIER_EN,
    Brand,
    Product,
)
from listener.sample_web.language import say, slip, without_brand
from listener.sample_web.model import Stance
from listener.sample_web.phrases import english, korean

Slots = Mapping[str, tuple[str, ...]]

TOPIC_WEIGHTS: Final[dict[str, float]] = {
    "delivery": 2.4,
    "price": 1.7,
    "quality": 2.2,
    "service": 1.1,
    "app": 1.1,
    "payment": 0.7,
    "availability": 0.8,
    "refund": 0.8,
}
_KEEP: Final = tuple(
    word
    for brand in BRANDS
    for word in (brand.name, brand.english, *brand.aliases, f"@{brand.handle}", brand.name[:2])
)


@dataclass(frozen=True, slots=True)
class Said:
    """A text and the language it is in."""

    text: str
    lang: str


def pick_topic(rng: random.Random) -> str:
    """A topic, as often as people raise it."""
    return rng.choices(list(TOPIC_WEIGHTS), weights=list(TOPIC_WEIGHTS.values()))[0]


def slots_for(rng: random.Random, lang: str, brand: Brand | None) -> dict[str, tuple[str, ...]]:
    """The slot values for a text about `brand`: its spelling is chosen once per text."""
    table = dict(korean.SLOTS if lang == "ko" else english.SLOTS)
    table["code"] = (f"{rng.getrandbits(28):x}",)
    korean_names = lang == "ko"
    table["old"] = (OLD_COURIER if korean_names else OLD_COURIER_EN,)
    table["new"] = (NEW_COURIER if korean_names else NEW_COURIER_EN,)
    if brand is not None:
        spelled = brand.spellings if lang == "ko" else brand.english_spellings
        table["b"] = (rng.choice(spelled),)
        table["tag"] = (f"#{brand.hashtags[0 if lang == 'ko' else 1]}",)
        others = [other for other in BRANDS if other is not brand]
        table["rival"] = tuple(o.name if lang == "ko" else o.english for o in others)
    return table


def _upper_first(text: str) -> str:
    return text[:1].upper() + text[1:]


def casual(rng: random.Random, lang: str, stance: Stance, topic: str, brand: Brand) -> Said:
    """A short post about `brand`, which it always names."""
    slots = slots_for(rng, lang, brand)
    if lang == "ko":
        return Said(_casual_korean(rng, stance, topic, slots), lang)
    if lang == "en":
        return Said(_casual_english(rng, stance, topic, slots), lang)
    table = {**slots, **english.OTHER_SLOTS}
    lines = [line for code, kind, line in english.OTHER if code == lang and kind == stance]
    lines = lines or [line for code, _, line in english.OTHER if code == lang]
    return Said(say(rng, rng.choice(lines), table), lang)


def _casual_korean(rng: random.Random, stance: Stance, topic: str, slots: Slots) -> str:
    bad, _, good, _ = korean.TOPICS[topic]
    if stance == "mixed":
        other = korean.TOPICS[pick_topic(rng)][0]
        first, second = rng.choice(good), without_brand(rng.choice(other))
        text = say(rng, first + rng.choice(korean.TURNS) + second, slots)
        return slip(rng, text, keep=_KEEP)
    lines = {
        "complaint": bad,
        "praise": good,
        "question": korean.QUESTIONS[topic],
        "neutral": korean.NEUTRAL,
    }[stance]
    core, second = rng.sample(lines, 2)
    line = rng.choice(korean.OPENERS[stance]) + core
    joint = rng.choice([" ", "\n"] if core.endswith("?") else [". ", " ", "\n"])
    roll = rng.random()
    if roll < 0.24 and stance in ("complaint", "praise"):
        line += joint + without_brand(second)
    elif roll < 0.36:
        line += joint + rng.choice(korean.SOMETIMES)
    line += rng.choice(korean.CLOSERS[stance])
    return slip(rng, say(rng, line, slots), keep=_KEEP)


def _casual_english(rng: random.Random, stance: Stance, topic: str, slots: Slots) -> str:
    bad, good, asked = english.TOPICS[topic]
    if stance == "mixed":
        other = english.TOPICS[pick_topic(rng)][0]
        text = say(rng, rng.choice(good), slots) + rng.choice(english.TURNS)
        return text + say(rng, rng.choice(other), slots)
    lines = {"complaint": bad, "praise": good, "question": asked, "neutral": english.NEUTRAL}
    core, second = rng.sample(lines[stance], 2)
    text = rng.choice(english.OPENERS[stance]) + say(rng, core, slots)
    if rng.random() < 0.2 and stance in ("complaint", "praise"):
        text += ("" if text[-1] in ".!?" else ".") + " " + _upper_first(say(rng, second, slots))
    closer = say(rng, rng.choice(english.CLOSERS[stance]), slots)
    if closer:
        text += ("" if text[-1] in ".!?" or not text[-1].isalnum() else ".") + " "
        text += _upper_first(closer)
    if rng.random() < 0.25:
        text = text.lower()
    return text


def polite(
    rng: random.Random,
    stance: Stance,
    topic: str,
    brand: Brand,
    product: Product | None = None,
) -> str:
    """Polite Korean sentences for a review or a forum post; they need not name the brand."""
    slots = slots_for(rng, "ko", brand)
    _, bad, _, good = korean.TOPICS[topic]
    if product is not None:
        slots["food"] = (product.noun,)
        if not product.edible:
            bad = tuple(line for line in bad if "아이스팩" not in line)
            good = tuple(line for line in good if "아이스팩" not in line)
    if stance == "mixed":
        other = korean.TOPICS[pick_topic(rng) if product is None else "service"][1]
        line = rng.choice(good) + rng.choice(korean.TURNS) + rng.choice(other)
    elif stance in ("complaint", "praise"):
        lines = bad if stance == "complaint" else good
        line = " ".join(rng.sample(lines, 2 if rng.random() < 0.35 else 1))
    else:
        line = rng.choice(korean.POLITE_NEUTRAL)
    return say(rng, line, slots)


def review(rng: random.Random, lang: str, stance: Stance, topic: str, product: Product) -> Said:
    """A product review: about the thing itself, the service around it, or both."""
    brand = next(brand for brand in BRANDS if brand.slug == product.brand)
    slots = slots_for(rng, lang, brand)
    own = [
        line
        for line in (product.complaint if stance == "complaint" else product.praise)
        if line.isascii() == (lang == "en")
    ]
    if lang == "en":
        return Said(_english_review(rng, stance, topic, own, slots), lang)
    about = say(rng, rng.choice(own), slots)
    around = polite(rng, stance, topic, brand, product)
    if topic == "quality" and stance in ("complaint", "praise"):
        around = about  # what is said of food in general does not fit a towel
    if stance == "neutral":
        parts = [around]
    elif stance == "mixed":
        flaw = [line for line in product.complaint if not line.isascii()]
        turned = rng.choice(korean.TURNS).strip() + " " + say(rng, rng.choice(flaw), slots)
        parts = [about, turned] if rng.random() < 0.5 else [around]
    else:
        parts = rng.choice([[about], [around], [about, around], [around, about]])
        if about == around:  # two thoughts on the thing itself, never the same one twice
            parts = [say(rng, line, slots) for line in rng.sample(own, rng.choice([1, 2, 2]))]
    mood = "neutral" if stance in ("mixed", "question") else stance
    opened = say(rng, rng.choice(korean.POLITE_OPENERS[mood]), slots) if rng.random() < 0.6 else ""
    closed = say(rng, rng.choice(korean.POLITE_CLOSERS[mood]), slots) if rng.random() < 0.6 else ""
    text = " ".join(part for part in (opened, *parts, closed) if part)
    if rng.random() < 0.05 and product.edible and stance != "neutral":
        text = casual(rng, "ko", stance, topic, brand).text
    return Said(slip(rng, text, keep=_KEEP), lang)


def _english_review(
    rng: random.Random, stance: Stance, topic: str, own: list[str], slots: Slots
) -> str:
    if stance == "neutral":
        lines = [rng.choice(english.REVIEW_NEUTRAL)]
    elif stance == "mixed":
        lines = [rng.choice(own), rng.choice(english.REVIEW[f"{topic}-"])]
    else:
        sign = "-" if stance == "complaint" else "+"
        lines = [rng.choice(own), rng.choice(english.REVIEW[topic + sign])]
        rng.shuffle(lines)
        lines = lines[: rng.choice([1, 2, 2])]
    lines.append(rng.choice(english.CLOSERS["neutral" if stance == "mixed" else stance]))
    said = (_upper_first(say(rng, line, slots)) for line in lines)
    return " ".join(part for part in said if part)
