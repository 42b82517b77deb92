"""One writer per channel: given a moment, what appears there?"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from listener.sample_web import voice
from listener.sample_web.catalogue import (
    BRAND,
    BRANDS,
    OUTLETS,
    PRODUCTS,
    REPORTERS,
    Brand,
    Product,
)
from listener.sample_web.language import say, slip
from listener.sample_web.model import Author, Channel, Edit, Item, Stance
from listener.sample_web.people import People
from listener.sample_web.phrases import english, forum, korean, news, traps

# Twitter's snowflake ids count milliseconds from here; the sample keeps their order and size.
X_EPOCH_MS: Final = 1_288_834_974_657

_X_STANCES: Final[dict[Stance, float]] = {
    "complaint": 0.21,
    "praise": 0.27,
    "question": 0.14,
    "neutral": 0.28,
    "mixed": 0.10,
}
_REVIEW_STANCES: Final[dict[Stance, float]] = {
    "complaint": 0.16,
    "praise": 0.60,
    "mixed": 0.16,
    "neutral": 0.08,
}
_FORUM_STANCES: Final[dict[Stance, float]] = {
    "complaint": 0.24,
    "praise": 0.18,
    "question": 0.32,
    "mixed": 0.14,
    "neutral": 0.12,
}
_STARS: Final[dict[Stance, tuple[int, ...]]] = {
    "complaint": (1, 1, 1, 2, 2),
    "praise": (5, 5, 5, 5, 4),
    "mixed": (3, 3, 4, 2),
    "neutral": (3, 4, 3, 5),
    "question": (4,),
}
_TEN: Final[dict[int, tuple[int, ...]]] = {1: (1, 2), 2: (3, 4), 3: (5, 6), 4: (7, 8), 5: (9, 10)}


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes for every channel with one stream of chance, so that a day depends on nothing else."""

    rng: random.Random
    people: People

    def id_for(self, channel: Channel, at: datetime) -> str:
        """An id in the channel's own style, rising with time."""
        millis = int(at.timestamp() * 1000)
        if channel == "x":
            return str((millis - X_EPOCH_MS) << 22 | self.rng.getrandbits(22))
        if channel == "review":
            return f"rv{millis:x}{self.rng.getrandbits(16):04x}"
        if channel == "forum":
            return str((millis // 100) * 100 + self.rng.randint(0, 99) - 1_500_000_000_000)
        return f"{millis // 1000}{self.rng.randint(100, 999)}"

    def stance(self, weights: dict[Stance, float]) -> Stance:
        """A stance, as often as the channel's people take it."""
        return self.rng.choices(list(weights), weights=list(weights.values()))[0]

    def brand(self) -> Brand:
        """A brand, as often as it is talked about."""
        return self.rng.choices(BRANDS, weights=[brand.share for brand in BRANDS])[0]

    def item(self, channel: Channel, at: datetime, **values: object) -> Item:
        """An item appearing at `at` with an id and the given values."""
        base: dict[str, object] = {
            "channel": channel,
            "id": self.id_for(channel, at),
            "appears": at,
            "published": at,
            "lang": "ko",
            "stance": "neutral",
        }
        return Item(**(base | values))  # type: ignore[arg-type]

    # --- X ------------------------------------------------------------------------------------

    def tweet(self, at: datetime, earlier: Sequence[Item]) -> Item:
        """A post, a reply or a repost; now and then an advert or a look-alike."""
        roll = self.rng.random()
        if roll < 0.065 and earlier:
            return self.repost(at, self.rng.choice(earlier[-80:]))
        if roll < 0.075 and earlier:
            return self._pasted(at, self.rng.choice(earlier[-80:]))
        if roll < 0.150:
            return self._odd_tweet(at)
        brand = self.brand()
        if roll < 0.166:
            slots = voice.slots_for(self.rng, "ko", brand) | {"b": (brand.name,)}
            return self.own_voice(at, brand, say(self.rng, self.rng.choice(traps.OWN_VOICE), slots))
        stance, topic = self.stance(_X_STANCES), voice.pick_topic(self.rng)
        lang = self.rng.choices(["ko", "en", "ja", "es"], weights=[66, 31, 1.6, 1.4])[0]
        said = voice.casual(self.rng, lang, stance, topic, brand)
        return self.dressed_tweet(at, brand, said.text, lang, stance, topic, earlier)

    def dressed_tweet(
        self,
        at: datetime,
        brand: Brand,
        text: str,
        lang: str,
        stance: Stance,
        topic: str,
        earlier: Sequence[Item],
    ) -> Item:
        """A post with the hashtags, handles and replies that posts have."""
        author = self.people.someone(self.rng, lang)
        parent = ""
        if self.rng.random() < 0.24:
            text += f" #{self.rng.choice(brand.hashtags)}"
        if self.rng.random() < 0.12:
            extra = korean.HASHTAGS if lang == "ko" else english.HASHTAGS
            text += " " + self.rng.choice(extra)
        roll = self.rng.random()
        if roll < 0.07 and f"@{brand.handle}" not in text:
            text = f"@{brand.handle} {text}"
        elif roll < 0.15 and earlier:
            other = self.rng.choice(earlier[-40:])
            if other.brand == brand.slug and other.relation != "retweet":
                parent, text = other.id, f"@{other.author.username} {text}"
        return self.item(
            "x",
            at,
            author=author,
            text=text,
            lang=lang,
            stance=stance,
            brand=brand.slug,
            topic=topic,
            parent=parent,
            relation="reply" if parent else "",
            reach=int(self.rng.paretovariate(1.1)) - 1,
        )

    def repost(self, at: datetime, original: Item) -> Item:
        """A retweet as the API tells it: `RT @name: ` and the text, cut at 140."""
        while original.relation == "retweet":
            return self._pasted(at, original)
        text = f"RT @{original.author.username}: {original.text}"
        return replace(
            original,
            id=self.id_for("x", at),
            appears=at,
            published=at,
            author=self.people.someone(self.rng, original.lang),
            text=text if len(text) <= 140 else text[:139] + "…",
            parent=original.id,
            relation="retweet",
            reach=0,
        )

    def _pasted(self, at: datetime, original: Item) -> Item:
        """The same text from another account: a true duplicate with an id of its own."""
        return replace(
            original,
            id=self.id_for("x", at),
            appears=at,
            published=at,
            author=self.people.someone(self.rng, original.lang),
            reach=0,
        )

    def _odd_tweet(self, at: datetime) -> Item:
        """Adverts, coupon bots, look-alike names, markup, and groceries without a brand."""
        kind = self.rng.choices(
            ["spam", "bot", "lookalike", "markup", "unrelated"], weights=[30, 6, 18, 4, 42]
        )[0]
        brand: Brand | None = self.brand()
        lang, stance = "ko", "neutral"
        if kind == "spam":
            line = self.rng.choice(traps.SPAM)
        elif kind == "bot":
            line = self.rng.choice(traps.BOTNET)
        elif kind == "markup":
            line = self.rng.choice(traps.MARKUP)
        else:
            lang, line = self.rng.choice(
                traps.LOOKALIKES if kind == "lookalike" else traps.UNRELATED
            )
            brand = None
        if line.startswith(("Get ", "Bug ")):
            lang = "en"
        text = say(self.rng, line, voice.slots_for(self.rng, lang, brand))
        return self.item(
            "x",
            at,
            author=self.people.someone(self.rng, lang),
            text=text,
            lang=lang,
            stance=stance,
            brand=brand.slug if brand else "",
            topic=kind,
            reach=int(self.rng.paretovariate(1.3)) - 1,
        )

    def own_voice(self, at: datetime, brand: Brand, text: str, lang: str = "ko") -> Item:
        """A post of the brand's own account; never a complaint, whatever words it uses."""
        return self.item(
            "x",
            at,
            author=self.people.brands[brand.slug],
            text=text,
            lang=lang,
            brand=brand.slug,
            topic="own",
            reach=self.rng.randint(5, 90),
        )

    # --- shop ---------------------------------------------------------------------------------

    def review(self, at: datetime, earlier: Sequence[Item]) -> Item:
        """A review of one of the products; one in forty is rewritten some time later."""
        product = self.rng.choices(PRODUCTS, weights=[product.weight for product in PRODUCTS])[0]
        stance, topic = self.stance(_REVIEW_STANCES), voice.pick_topic(self.rng)
        lang = "en" if self.rng.random() < 0.22 else "ko"
        said = voice.review(self.rng, lang, stance, topic, product)
        stars = self.rng.choice(_STARS[stance])
        item = self.product_review(at, product, said.text, lang, stance, topic, stars)
        if self.rng.random() < 0.025:
            note = say(
                self.rng,
                self.rng.choice(traps.EDIT_NOTES),
                voice.slots_for(self.rng, "ko", BRAND[product.brand]),
            )
            later = at + timedelta(minutes=self.rng.randint(9, 4000))
            item = replace(item, edit=Edit(later, item.text + "\n" + note.strip()))
        return item

    def product_review(
        self,
        at: datetime,
        product: Product,
        text: str,
        lang: str,
        stance: Stance,
        topic: str,
        stars: int,
    ) -> Item:
        """A review whose rating is told on the product's own scale."""
        at = at.replace(microsecond=0)  # the page tells whole seconds
        return self.item(
            "review",
            at,
            author=self.people.someone(self.rng, lang),
            text=text,
            lang=lang,
            stance=stance,
            brand=product.brand,
            topic=topic,
            product=product.slug,
            rating=stars if product.best == 5 else self.rng.choice(_TEN[stars]),
        )

    # --- forum --------------------------------------------------------------------------------

    def post(self, at: datetime, earlier: Sequence[Item]) -> Item:
        """A thread, or a reply to one of the newest threads."""
        at = at.replace(microsecond=0)
        threads = [item for item in earlier[-14:] if not item.parent]
        if threads and self.rng.random() < 0.38:
            return self.reply(at, self.rng.choice(threads))
        brand, topic = self.brand(), voice.pick_topic(self.rng)
        lang = "en" if self.rng.random() < 0.16 else "ko"
        stance = self.stance(_FORUM_STANCES)
        text = self.long_text(lang, stance, topic, brand)
        title = self.title(lang, stance, topic, brand)
        return self.thread(at, title, text, lang, brand, topic, stance)

    def thread(
        self,
        at: datetime,
        title: str,
        text: str,
        lang: str,
        brand: Brand,
        topic: str,
        stance: Stance,
    ) -> Item:
        """The first post of a thread."""
        return self.item(
            "forum",
            at,
            author=self.people.someone(self.rng, lang),
            title=title,
            text=text,
            lang=lang,
            stance=stance,
            brand=brand.slug,
            topic=topic,
        )

    def title(self, lang: str, stance: Stance, topic: str, brand: Brand) -> str:
        """A thread's title; it names the brand more often than the text does."""
        slots = voice.slots_for(self.rng, lang, brand)
        slots["b"] = (brand.name if lang == "ko" else brand.english,)
        slots["t"] = forum.TOPIC_WORDS[lang][topic]
        return say(self.rng, self.rng.choice(forum.TITLES[lang][stance]), slots)

    def long_text(self, lang: str, stance: Stance, topic: str, brand: Brand) -> str:
        """A forum text: greeting, some life, the matter, a question to the others."""
        core = voice.casual(self.rng, lang, stance, topic, brand).text
        if lang == "en":
            return core
        slots = voice.slots_for(self.rng, "ko", brand)
        asked = stance == "question"
        if not asked and self.rng.random() < 0.6:
            more = self.rng.choice(["", "\n\n" + core])
            core = voice.polite(self.rng, stance, topic, brand) + more
        sad = forum.SAD_SIGN_OFFS if stance == "complaint" else ()
        frame = (forum.GREETINGS, forum.MIDDLES, None, (*forum.SIGN_OFFS, *sad))
        parts = [
            core if part is None else say(self.rng, self.rng.choice(part), slots) for part in frame
        ]
        return slip(self.rng, " ".join(part for part in parts if part), keep=(brand.name,))

    def reply(self, at: datetime, thread: Item) -> Item:
        """An answer in a thread; it seldom names the brand again."""
        lang = "en" if thread.lang == "en" else "ko"
        brand = BRAND[thread.brand]
        line = self.rng.choice(forum.REPLIES[lang])
        if self.rng.random() < 0.4:
            line = " ".join(self.rng.sample(forum.REPLIES[lang], 2))
        return self.item(
            "forum",
            at,
            author=self.people.someone(self.rng, lang),
            title=f"Re: {thread.title}",
            text=say(self.rng, line, voice.slots_for(self.rng, lang, brand)),
            lang=lang,
            brand=thread.brand,
            topic="reply",
            parent=thread.id,
            relation="reply",
        )

    # --- news ---------------------------------------------------------------------------------

    def article(self, at: datetime, earlier: Sequence[Item]) -> Item:
        """An article; one in eight is another outlet's copy of a recent one."""
        at = at.replace(microsecond=0)
        fresh = [item for item in earlier[-6:] if item.relation == ""]
        if fresh and self.rng.random() < 0.12:
            return self.copy(at, self.rng.choice(fresh))
        brand: Brand | None = self.brand()
        lang = "en" if self.rng.random() < 0.24 else "ko"
        if lang == "en":
            title, body = self.rng.choice(news.ENGLISH)
        elif self.rng.random() < 0.16:
            (title, body), brand = self.rng.choice(news.MARKET), None
        else:
            title, body = self.rng.choice(news.KOREAN)
        slots = {**voice.slots_for(self.rng, lang, brand), **news.SLOTS[lang]}
        if brand is not None:
            slots["b"] = (brand.name if lang == "ko" else brand.english,)
        # A headline and its article speak of the same place, number and month.
        fixed = {name: (self.rng.choice(values),) for name, values in slots.items()}
        leads = () if title.startswith("[인사]") else self.rng.sample(news.LEADS[lang], 2)
        text = " ".join(say(self.rng, line, fixed) for line in (body, *leads))
        return self.report(at, say(self.rng, title, fixed), text, lang, brand)

    def report(self, at: datetime, title: str, text: str, lang: str, brand: Brand | None) -> Item:
        """An article of one of the newsrooms."""
        outlet = OUTLETS[-1] if lang == "en" else self.rng.choice(OUTLETS[:-1])
        return self.item(
            "news",
            at,
            author=self._desk(outlet),
            title=title,
            text=text,
            lang=lang,
            brand=brand.slug if brand else "",
            topic="news",
        )

    def copy(self, at: datetime, original: Item) -> Item:
        """The same article under another newsroom's name and address."""
        others = [name for name in OUTLETS if name != original.author.username]
        return replace(
            original,
            id=self.id_for("news", at),
            appears=at,
            published=at,
            author=self._desk(self.rng.choice(others[:-1] or others)),
            parent=original.id,
            relation="copy",
        )

    def _desk(self, outlet: str) -> Author:
        reporter = "Staff" if outlet == OUTLETS[-1] else f"{self.rng.choice(REPORTERS)} 기자"
        return Author(
            id=outlet,
            name=reporter,
            username=outlet,
            followers=0,
            joined=self.people.brands["nurimarket"].joined,
        )

    def writer_for(self, channel: Channel) -> Callable[[datetime, Sequence[Item]], Item]:
        """The writer of an ordinary item on `channel`."""
        writers: dict[Channel, Callable[[datetime, Sequence[Item]], Item]] = {
            "x": self.tweet,
            "review": self.review,
            "forum": self.post,
            "news": self.article,
        }
        return writers[channel]
