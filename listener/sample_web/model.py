"""The nouns of the sample web: who says what, when it appears, and what is true about it."""

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Final, Literal

KST: Final = timezone(timedelta(hours=9))

Channel = Literal["x", "review", "forum", "news"]
Stance = Literal["complaint", "praise", "question", "mixed", "neutral"]
Relation = Literal["", "reply", "retweet", "copy"]
CHANNELS: Final[tuple[Channel, ...]] = ("x", "review", "forum", "news")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that decides the content. The same plan always makes the same web."""

    seed: int
    start: datetime
    days: int = 28
    volume: float = 1.0
    wave_offset: timedelta | None = timedelta(minutes=-40)
    wave_length: timedelta = timedelta(minutes=150)

    def __post_init__(self) -> None:
        if self.start.tzinfo is None:
            raise ValueError("start must be an aware datetime")
        object.__setattr__(self, "start", self.start.astimezone(UTC).replace(microsecond=0))

    @property
    def wave_start(self) -> datetime | None:
        """When the first complaint of the wave is posted, if there is a wave."""
        return None if self.wave_offset is None else self.start + self.wave_offset


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """An invented account, the same on every channel it writes on."""

    id: str
    name: str
    username: str
    followers: int
    joined: datetime
    bio: str = ""


@dataclass(frozen=True, slots=True)
class Edit:
    """A later text of the same item."""

    at: datetime
    text: str
    rating: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One post, review, thread, reply or article.

    `appears` is when the site shows it, `published` what the site says about it; they differ
    for late items only. `brand`, `stance`, `topic` and `wave` are the truth about the item and
    are never served by the channels themselves.
    """

    channel: Channel
    id: str
    appears: datetime
    published: datetime
    author: Author
    text: str
    lang: str
    stance: Stance
    title: str = ""
    brand: str = ""
    topic: str = ""
    wave: bool = False
    rating: int | None = None
    product: str = ""
    parent: str = ""
    relation: Relation = ""
    raw_html: bool = False
    reach: int = 0
    edit: Edit | None = None
    appears_ts: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "appears_ts", self.appears.timestamp())

    def text_at(self, now: datetime) -> str:
        """The text as the site shows it at `now`."""
        return self.edit.text if self.edit is not None and self.edit.at <= now else self.text

    def rating_at(self, now: datetime) -> int | None:
        """The rating as the site shows it at `now`."""
        if self.edit is not None and self.edit.rating is not None and self.edit.at <= now:
            return self.edit.rating
        return self.rating

    def updated_at(self, now: datetime) -> datetime:
        """When the shown text was last changed."""
        if self.edit is not None and self.edit.at <= now:
            return self.edit.at
        return self.published

    def likes_at(self, now: datetime) -> int:
        """Likes grow for some hours and then stand still, as they do."""
        hours = max(0.0, (now - self.published).total_seconds() / 3600)
        return int(self.reach * (1 - math.exp(-hours / 5)))
