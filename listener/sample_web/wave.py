"""The complaint wave: a shop changes its courier and for two or three hours nothing arrives."""

import random
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from listener.sample_web import voice
from listener.sample_web.catalogue import NEW_COURIER, OWN, PRODUCTS
from listener.sample_web.channels import Writer
from listener.sample_web.language import say, slip
from listener.sample_web.model import Item, Plan
from listener.sample_web.people import People
from listener.sample_web.phrases import wave as phrases
from listener.sample_web.season import poisson

# Complaints a minute at the height of the wave, whatever the hour: who wrote at night did so too.
PEAK_PER_MINUTE: Final = 3.0
# Minutes after the first post at which the newsrooms follow.
_NEWS_MINUTES: Final = (24, 52, 78, 118)
_APOLOGY_MINUTES: Final = (46, 88, 94)


def intensity(elapsed: timedelta, length: timedelta) -> float:
    """Share of the peak: it rises for a sixth of the wave, stays, and fades in the last third."""
    part = elapsed / length
    if not 0 <= part < 1:
        return 0.0
    if part < 1 / 6:
        return 0.15 + 0.85 * part * 6
    return 1.0 if part < 2 / 3 else 1.0 - 0.85 * (part - 2 / 3) * 3


def wave(plan: Plan, people: People) -> list[Item]:
    """Every item the wave adds, in order of appearance; none without a wave."""
    begin = plan.wave_start
    if begin is None:
        return []
    rng = random.Random(f"{plan.seed}:{plan.start.isoformat()}:wave")
    writer = Writer(rng, people)
    slots = _slots(rng)
    items = [
        writer.own_voice(begin - timedelta(hours=17), OWN, say(rng, phrases.NOTICE, slots)),
        _first(writer, begin, slots),
    ]
    posts = [items[-1]]
    minutes = int(plan.wave_length / timedelta(minutes=1))
    for minute in range(minutes):
        mean = PEAK_PER_MINUTE * intensity(timedelta(minutes=minute + 0.5), plan.wave_length)
        for _ in range(poisson(rng, mean)):
            # The first minute belongs to the post that tells the cause.
            offset = 60_000 * minute + rng.randint(1_000 if minute else 30_000, 59_999)
            item = _complaint(writer, begin + timedelta(milliseconds=offset), posts)
            items.append(item)
            if item.channel == "x" and item.relation != "retweet":
                posts.append(item)
    for offset, text in zip(_APOLOGY_MINUTES, phrases.APOLOGIES, strict=True):
        lang = "en" if text.isascii() else "ko"
        at = begin + timedelta(minutes=offset)
        items.append(writer.own_voice(at, OWN, say(rng, text, slots), lang))
    for offset, (title, body) in zip(_NEWS_MINUTES, phrases.NEWS, strict=True):
        items.extend(_report(writer, begin + timedelta(minutes=offset), title, body, slots))
    return sorted(items, key=lambda item: item.appears)


def _slots(rng: random.Random, lang: str = "ko") -> dict[str, tuple[str, ...]]:
    slots = voice.slots_for(rng, lang, OWN)
    if lang == "ko":  # the change is hours old: nobody waits since last week for it
        slots["dur"] = ("몇 시간째", "반나절째", "아까부터", "아침부터", "하루종일")
    return slots


def _first(writer: Writer, at: datetime, slots: dict[str, tuple[str, ...]]) -> Item:
    return writer.item(
        "x",
        at,
        author=writer.people.someone(writer.rng, "ko"),
        text=say(writer.rng, phrases.FIRST, slots),
        stance="complaint",
        brand=OWN.slug,
        topic="delivery",
        wave=True,
        reach=480,
    )


def _complaint(writer: Writer, at: datetime, posts: list[Item]) -> Item:
    rng = writer.rng
    channel = rng.choices(["x", "review", "forum"], weights=[66, 18, 16])[0]
    lang = "en" if rng.random() < 0.22 else "ko"
    slots = _slots(rng, lang)
    line = rng.choice(phrases.KOREAN if lang == "ko" else phrases.ENGLISH)
    if channel == "x":
        if rng.random() < 0.14:
            popular = posts[0] if rng.random() < 0.5 else rng.choice(posts)
            return writer.repost(at, popular)
        if lang == "ko":
            line = rng.choice(("", "", "아니 ", "와 ", "하.. ", "진심 ", "오늘 ")) + line
        text = say(rng, line, slots)
        if lang == "ko":
            text = slip(rng, text, keep=(OWN.name, NEW_COURIER, "누리"))
        item = writer.dressed_tweet(at, OWN, text, lang, "complaint", "delivery", ())
    elif channel == "review":
        product = rng.choice([product for product in PRODUCTS if product.brand == OWN.slug])
        lines = rng.sample(phrases.KOREAN_REVIEWS, rng.choice([1, 1, 2]))
        text = say(rng, " ".join(lines) if lang == "ko" else line, slots)
        stars = rng.choice((1, 1, 1, 2))
        item = writer.product_review(at, product, text, lang, "complaint", "delivery", stars)
    else:
        at = at.replace(microsecond=0)
        if lang == "ko":
            title = say(rng, rng.choice(phrases.KOREAN_FORUM_TITLES), slots)
            text = say(rng, line + "\n\n" + rng.choice(phrases.KOREAN_REVIEWS), slots)
        else:
            title, text = f"{OWN.english} new courier?", say(rng, line, slots)
        item = writer.thread(at, title, text, lang, OWN, "delivery", "complaint")
    return _marked(item)


def _report(
    writer: Writer, at: datetime, title: str, body: str, slots: dict[str, tuple[str, ...]]
) -> list[Item]:
    """One article and, minutes later, another newsroom's copy of it."""
    rng = writer.rng
    lang = "en" if title.isascii() else "ko"
    article = _marked(
        writer.report(
            at.replace(microsecond=0), say(rng, title, slots), say(rng, body, slots), lang, OWN
        )
    )
    if lang == "en":
        return [article]
    later = article.appears + timedelta(minutes=rng.randint(3, 9))
    return [article, writer.copy(later, article)]


def _marked(item: Item) -> Item:
    return replace(item, wave=True)
