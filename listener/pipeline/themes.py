"""Looks for themes in every brand's mentions once an hour, and stores what it finds."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from listener.analyze.themes import find_themes, same_themes
from listener.store import brands, themes
from listener.store.work import Database
from listener.types import Brand

log = logging.getLogger(__name__)

EVERY: Final = timedelta(hours=1)
_PLAIN: Final = re.compile(r"[\w ]+")


class ThemeSeeker:
    """Finds the themes of all brands. ``rules`` gives the text of the rules in use: what topics are
    found by is no theme.
    """

    def __init__(
        self,
        database: Database,
        rules: Callable[[Session], str],
        *,
        counts_flagged: bool = False,
    ) -> None:
        self._database = database
        self._rules = rules
        self._counts_flagged = counts_flagged
        self._looked: dict[int, datetime] = {}

    def look(self, now: datetime, go_on: Callable[[], bool] = lambda: True) -> int:
        """Look at every brand that was not looked at within the hour; gives how many were.

        Raises StorageError. Each brand is a transaction of its own; looking twice changes nothing.
        """
        with self._database.read() as session:
            due = [
                brand
                for brand in brands.listing(session)
                if now - self._looked.get(brand.id, now - EVERY) >= EVERY
            ]
            words = topic_words(self._rules(session)) if due else frozenset[str]()
        done = 0
        for brand in due:
            if not go_on():
                break
            self.look_at(brand, words, now)
            self._looked[brand.id] = now
            done += 1
        return done

    def look_at(self, brand: Brand, words: Collection[str], now: datetime) -> list[int]:
        """Find and store the themes of one brand; gives their ids, the strongest first."""
        with self._database.read() as session:
            said = themes.load_said(session, brand.id, now, counts_flagged=self._counts_flagged)
        found = find_themes(said, now=now, names=names_of(brand), known_words=words)
        with self._database.write() as work:
            same = same_themes(found, themes.known(work.session, brand.id, now))
            ids = themes.save(work.session, brand.id, found, same, now=now)
            work.commit()
        return ids


def names_of(brand: Brand) -> list[str]:
    """All words that a brand is known by."""
    return [
        brand.name,
        *brand.aliases,
        *brand.hashtags,
        *brand.handles,
        *brand.any_terms,
    ]


def topic_words(rules: str) -> frozenset[str]:
    """The plain words by which the rules find topics and tags; patterns of several are left out."""
    from listener.enrich.rulesfile import parse_rules

    words: set[str] = set()
    for taxonomy in parse_rules(rules, "rules").taxonomies:
        for category in taxonomy.categories:
            for pattern in (*category.words.ko, *category.words.en):
                word = pattern.strip("^$*")
                if _PLAIN.fullmatch(word):
                    words.add(word)
    return frozenset(words)
