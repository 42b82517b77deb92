"""The query language of X's recent search, as far as brand monitoring uses it.

Words, "phrases", #hashtags, @handles, `from:`, `to:`, `lang:`, `is:retweet|reply|quote|verified`,
`has:links|hashtags|mentions|media`, negation, OR and brackets. A space means AND and binds
tighter than OR.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from listener.sample_web.model import Item

MAX_LENGTH: Final = 512

_TOKEN: Final = re.compile(r'\s*(-?\(|\)|-?"[^"]*"|[^\s()"]+)')
_HASHTAG: Final = re.compile(r"#(\w+)")
_HANDLE: Final = re.compile(r"@(\w+)", re.ASCII)
_WORD: Final = re.compile(r"\w+")
_CJK: Final = re.compile(r"[぀-ヿ㐀-鿿가-힣ㄱ-ㅎ]")


class QueryError(ValueError):
    """The query cannot be understood; the message is what X would answer."""


@dataclass(frozen=True, slots=True)
class Doc:
    """A post prepared for matching."""

    text: str
    words: frozenset[str]
    hashtags: frozenset[str]
    handles: frozenset[str]
    author: str
    reply_to: str
    lang: str
    kind: str


Predicate = Callable[[Doc], bool]


def prepare(item: Item) -> Doc:
    """Split a post once, so that a query only looks things up."""
    text = item.text.lower()
    handles = _HANDLE.findall(text)
    return Doc(
        text=text,
        words=frozenset(_WORD.findall(text)),
        hashtags=frozenset(_HASHTAG.findall(text)),
        handles=frozenset(handles),
        author=item.author.username.lower(),
        reply_to=handles[0] if handles and text.startswith("@") else "",
        lang=item.lang,
        kind=item.relation,
    )


def hashtags(text: str) -> list[tuple[int, int, str]]:
    """Start, end and name of each hashtag in `text`."""
    return [(m.start(), m.end(), m.group(1)) for m in _HASHTAG.finditer(text)]


def handles(text: str) -> list[tuple[int, int, str]]:
    """Start, end and name of each handle in `text`."""
    return [(m.start(), m.end(), m.group(1)) for m in _HANDLE.finditer(text)]


def compile_query(query: str) -> Predicate:
    """A predicate for `query`, or QueryError in X's words."""
    if not query.strip():
        raise QueryError("Rules must contain a non-empty query.")
    if len(query) > MAX_LENGTH:
        raise QueryError(
            f"Rule length exceeds the limit. The maximum length is {MAX_LENGTH} characters."
        )
    tokens, end = [], 0
    while match := _TOKEN.match(query, end):
        tokens.append(match.group(1))
        end = match.end()
    if query[end:].strip():
        raise QueryError(f"no viable alternative at input '{query[end:].strip()}'")
    parser = _Parser(tokens)
    predicate = parser.either()
    if parser.left:
        raise QueryError(f"extraneous input '{parser.left[0]}'")
    if not parser.standalone:
        raise QueryError(
            "There were errors processing your request: Rules must contain at least one positive, "
            "non-stopword term (at position 1)"
        )
    return predicate


class _Parser:
    """Recursive descent over the tokens; `standalone` tells that something positive was asked."""

    def __init__(self, tokens: list[str]) -> None:
        self.left = tokens
        self.standalone = False

    def either(self) -> Predicate:
        options = [self.both()]
        while self.left and self.left[0] == "OR":
            self.left = self.left[1:]
            options.append(self.both())
        if len(options) == 1:
            return options[0]
        return lambda doc: any(option(doc) for option in options)

    def both(self) -> Predicate:
        parts = []
        while self.left and self.left[0] not in (")", "OR"):
            parts.append(self.one())
        if not parts:
            raise QueryError(f"missing term before '{self.left[0] if self.left else '<EOF>'}'")
        if len(parts) == 1:
            return parts[0]
        return lambda doc: all(part(doc) for part in parts)

    def one(self) -> Predicate:
        token, self.left = self.left[0], self.left[1:]
        negative = token.startswith("-") and len(token) > 1
        token = token[1:] if negative else token
        if token == "(":  # noqa: S105 - a bracket, not a secret
            before = self.standalone
            inner = self.either()
            if not self.left or self.left[0] != ")":
                raise QueryError("missing ')' at '<EOF>'")
            self.left = self.left[1:]
            if negative:
                self.standalone = before
        else:
            inner, standalone = _term(token)
            self.standalone = self.standalone or (standalone and not negative)
        if negative:
            return lambda doc: not inner(doc)
        return inner


def _term(token: str) -> tuple[Predicate, bool]:
    """The predicate of one term, and whether X lets it stand alone."""
    name, colon, value = token.partition(":")
    value = value.strip('"').lstrip("@").lower()
    if colon and name in ("from", "to", "lang", "is", "has"):
        return _operator(name, value), name in ("from", "to")
    if token.startswith('"'):
        return _phrase(token.strip('"').lower()), True
    if token.startswith("#") and len(token) > 1:
        tag = token[1:].lower()
        return lambda doc: tag in doc.hashtags, True
    if token.startswith("@") and len(token) > 1:
        handle = token[1:].lower()
        return lambda doc: handle in doc.handles, True
    return _phrase(token.lower()), True


def _phrase(phrase: str) -> Predicate:
    """Latin words match whole; Korean and Japanese are not split into words, so they match inside.

    That is why a search also brings names that merely contain the brand.
    """
    if not phrase.strip():
        raise QueryError("empty phrase")
    if _CJK.search(phrase):
        return lambda doc: phrase in doc.text
    words = _WORD.findall(phrase)
    if len(words) == 1 and words[0] == phrase:
        return lambda doc: phrase in doc.words
    pattern = re.compile(r"(?<!\w)" + r"\W+".join(map(re.escape, words)) + r"(?!\w)")
    return lambda doc: pattern.search(doc.text) is not None


def _operator(name: str, value: str) -> Predicate:
    if name == "from":
        return lambda doc: doc.author == value
    if name == "to":
        return lambda doc: doc.reply_to == value
    if name == "lang":
        return lambda doc: doc.lang == value
    if name == "is" and value in ("retweet", "reply"):
        return lambda doc: doc.kind == value
    if name == "is" and value in ("quote", "verified", "nullcast"):
        return lambda doc: False
    if name == "has" and value in ("links", "hashtags", "mentions", "media", "images"):
        return {
            "links": lambda doc: "https://" in doc.text,
            "hashtags": lambda doc: bool(doc.hashtags),
            "mentions": lambda doc: bool(doc.handles),
        }.get(value, lambda doc: False)
    raise QueryError(f"Reference to invalid operator '{name}:{value}'.")
