"""The nouns of Listener as frozen dataclasses and enums: what crosses a module border is one of
these.

They follow the flow: a ``Watch`` is collected into ``Batch``es of ``RawItem``s; each becomes a
``Mention`` (clean text, identity, hash), is matched to brands (``Match``) and read (``Reading``),
and the result, a ``ReadMention``, is what the store takes. Datetimes are aware and in UTC
everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol, TypeAlias


class Kind(StrEnum):
    """What a mention is."""

    POST = "post"
    COMMENT = "comment"
    REVIEW = "review"
    ARTICLE = "article"
    ANSWER = "answer"
    TICKET = "ticket"
    SURVEY = "survey"


class Precision(StrEnum):
    """How exactly a source tells when something was published."""

    EXACT = "exact"  # a point in time
    DAY = "day"  # a calendar day only (Naver blogs)
    NONE = "none"  # nothing at all (Naver cafés): first-seen time stands in


class MatchMode(StrEnum):
    """Whether a watch's items must name the brand, or belong to it because of where they were
    found.
    """

    TERMS = "terms"
    ALL = "all"


class MatchOrigin(StrEnum):
    """Why a mention belongs to a brand: a term in its text, or the watch that brought it."""

    TERM = "term"
    WATCH = "watch"


class Label(StrEnum):
    """Polarity in words. "Not scored" is the absence of a Sentiment, never one of these."""

    POSITIVE = "positive"
    NEUTRAL = "neutral"
    NEGATIVE = "negative"
    MIXED = "mixed"
    UNCERTAIN = "uncertain"


class FlagKind(StrEnum):
    """Why a mention may not be what a customer says by itself."""

    SPONSORED = "sponsored"  # says that it was paid for, or that the product was a gift
    PROMOTION = "promotion"  # wants to sell, recruit or lure
    BOT = "bot"  # one author posts the same again and again


class Signal(StrEnum):
    """What a rule listens to. The first four are counts, the next three are means of what was said,
    the last three are single things that happen.
    """

    MENTIONS = "mentions"
    NEGATIVE = "negative"
    COMPLAINTS = "complaints"
    LOW_RATINGS = "low_ratings"  # 2 of 5 or worse
    NEGATIVE_SHARE = "negative_share"  # of what was scored, rising
    RATING = "rating"  # the mean rating, falling
    NET_SENTIMENT = "net_sentiment"  # the mean score, falling
    NEW_TOPIC = "new_topic"  # a phrase that nobody used before, used by many
    VIRAL = "viral"  # one post whose likes, replies and shares grow
    SPREADING = "spreading"  # one story that goes from place to place


class By(StrEnum):
    """What counts as one: every post, every story at its first copy, every author once a day."""

    POSTS = "posts"
    STORIES = "stories"
    AUTHORS = "authors"


class Sensitivity(StrEnum):
    """How often a series in which nothing happens may raise a spike by mere chance."""

    LOW = "low"  # about once a year
    NORMAL = "normal"  # about once a quarter
    HIGH = "high"  # about once a month
    HIGHEST = "highest"  # about once a week


class Severity(StrEnum):
    """How much a spike or an alert matters, in ascending order."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class PersonalKind(StrEnum):
    """What kind of personal data stands in a text."""

    RESIDENT = "resident"  # Korean resident registration number, foreigners' too
    CARD = "card"
    ACCOUNT = "account"  # of a bank: Korean by its words, others as IBAN
    PASSPORT = "passport"
    LICENCE = "licence"  # to drive
    SSN = "ssn"  # United States
    PHONE = "phone"
    EMAIL = "email"
    ADDRESS = "address"


class Outcome(StrEnum):
    """How a run of a watch ended."""

    OK = "ok"
    UNCHANGED = "unchanged"  # the source said 304, or nothing new
    SUSPECT = "suspect"  # nothing where there used to be something
    RATE_LIMITED = "rate-limited"
    OUT_OF_BUDGET = "out-of-budget"
    NEEDS_CREDENTIALS = "needs-credentials"
    BLOCKED = "blocked"
    LAYOUT_CHANGED = "layout-changed"
    GONE = "gone"
    UNAVAILABLE = "unavailable"
    FAILED = "failed"  # a bug of ours, or a full disk
    LOST = "lost"  # another worker took over; nothing was written after that


class GapReason(StrEnum):
    """Why an interval could not be collected."""

    WINDOW = (
        "window"  # the source no longer shows that far back (feed of the newest n, 7-day search)
    )
    PAGE_CAP = "page-cap"
    RATE_LIMIT = "rate-limit"
    BUDGET = "budget"
    OUTAGE = "outage"  # the source, or we, were down


class ChangeKind(StrEnum):
    """What happened to a mention, as the feed tells it."""

    CREATED = "created"
    EDITED = "edited"
    DELETED = "deleted"
    LEFT = "left"  # it no longer matches (this brand, this filter)
    CORRECTED = "corrected"


class Coverage(StrEnum):
    """What is known of a time bucket."""

    COMPLETE = "complete"
    PARTIAL = (
        "partial"  # may only undercount: may open a spike, never close one, is never learnt from
    )
    UNKNOWN = "unknown"  # not collected: a gap is not a zero


# --- sources --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """One parameter of a source, enough for a form field, a CLI check and a JSON schema."""

    name: str
    title: str
    title_ko: str
    required: bool = False
    # string | text (several lines) | url | selector (CSS or XPath) | integer | number | boolean
    kind: str = "string"
    default: str | None = None
    choices: tuple[str, ...] = ()
    example: str | None = None
    help: str = ""  # in Korean, then in English, as all texts of a spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """One secret a source needs; read from ``LISTENER_<SOURCE>__<NAME>`` or a connection."""

    name: str
    title: str
    required: bool = True
    help: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What a source grants: ``amount`` of ``unit`` in each ``per``, which begins anew at midnight
    in ``zone``.

    Units are counted per request (``Request.charge``): "calls" always, others as the source names
    them.
    """

    unit: str
    amount: int
    per: str = "day"  # day | month
    zone: str = "UTC"
    title: str = ""
    title_ko: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What one unit costs, in millionths of a US dollar."""

    unit: str
    micro_usd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A ready-made way to use a source: parameters filled in but for ``{word}``, which the form
    asks for.
    """

    name: str
    title: str
    title_ko: str
    params: Mapping[str, str]
    word: str = ""  # what {word} means, empty = nothing to ask
    word_ko: str = ""
    example: str = ""
    brand: bool = False  # the word is the brand's name: nothing needs to be asked


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSpec:
    """What a source is, without doing anything: the registry, the forms and the docs are made of
    it.
    """

    name: str
    title: str
    title_ko: str
    every: timedelta
    kind: Kind
    base_url: str | None = (
        None  # default server; a connection or LISTENER_<SOURCE>__BASE_URL overrides it
    )
    params: tuple[Param, ...] = ()
    credentials: tuple[Credential, ...] = ()
    languages: tuple[str, ...] = ()
    default_match: MatchMode = MatchMode.TERMS
    cost: str = ""
    limits: str = ""
    terms: str = ""  # a note on the terms of use
    needs_brand: bool = False  # the query is built from the brand's terms
    quotas: tuple[Quota, ...] = ()
    prices: tuple[Price, ...] = ()
    signup: str = ""  # where credentials are to be had
    presets: tuple[Preset, ...] = ()
    first: bool = False  # needs nothing and brings something at once: offered to newcomers first
    push: str = ""  # it comes by itself and is not watched: how it is set up, in a sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A source on a server with an account. Credentials never show in a repr."""

    source: str
    base_url: str | None = None
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    id: int | None = None
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Brand:
    """A brand, own or competitor, and the words it is known by."""

    id: int
    name: str
    aliases: tuple[str, ...] = ()
    hashtags: tuple[str, ...] = ()  # without '#'
    handles: tuple[str, ...] = ()  # without '@'
    any_terms: tuple[str, ...] = ()  # each names the brand as well, like a product of its own
    all_terms: tuple[str, ...] = ()  # every one must occur besides a name
    none_terms: tuple[str, ...] = ()  # none may occur
    competitor: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Where a watch stands. ``cursor`` belongs to the source; ``validators`` are ETag and
    Last-Modified by URL.
    """

    cursor: Mapping[str, Any] = field(default_factory=dict)
    validators: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What to collect: a source's parameters, for a brand, on a connection."""

    id: int
    source: str
    params: Mapping[str, str]
    match: MatchMode
    every: timedelta
    connection: Connection
    brand: Brand | None = None
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A fenced lease on a watch: every write of the run checks the token."""

    watch_id: int
    run_id: int
    token: str
    until: datetime


# --- items ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RawAuthor:
    """Who wrote an item, as the source tells it."""

    native_id: str = ""
    handle: str = ""
    name: str = ""
    followers: int | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Engagement:
    """Counts at the moment of reading; None = the source does not tell."""

    likes: int | None = None
    replies: int | None = None
    shares: int | None = None
    views: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RawItem:
    """One item as a collector yields it. ``text`` and ``title`` may still hold HTML when ``html``
    is set.

    ``external_id`` is unique within (source, namespace); where the source gives none, ``derived``
    is set and the id is a hash of page, author, date and ordinal, never of the body. ``deleted``
    reports a deletion at the source: only the identity counts then. ``excerpt`` says that the text
    is a part that the source chose to suit a query: another part is no edit.
    """

    external_id: str
    text: str
    namespace: str = ""
    kind: Kind = Kind.POST
    url: str | None = None
    title: str | None = None
    html: bool = False
    author: RawAuthor | None = None
    published_at: datetime | None = None
    published_precision: Precision = Precision.EXACT
    language: str | None = None  # the source's hint; our own detection decides
    rating: float | None = None
    rating_min: float | None = None
    rating_max: float | None = None
    parent_id: str | None = None
    thread_id: str | None = None
    is_own: bool = False
    solicited: bool = False
    product: str | None = None
    product_version: str | None = None
    place: str | None = None
    touchpoint: str | None = None
    country: str | None = None
    media: tuple[str, ...] = ()
    engagement: Engagement | None = None
    derived: bool = False
    deleted: bool = False
    excerpt: bool = False
    raw: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """An interval that was not collected. ``to_at`` None = still open."""

    from_at: datetime
    to_at: datetime | None
    why: GapReason
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RatingSnapshot:
    """An average over many ratings, as a source tells it at one moment: not a mention.

    ``subject`` is what was rated, unique within (source, namespace): a product page, an app in a
    country.
    """

    subject: str
    average: float
    count: int | None
    rating_min: float
    rating_max: float
    namespace: str = ""
    title: str | None = None
    url: str | None = None
    country: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """The lower part of a walk that was too long for one run: it is back-filled beside live runs.

    ``state`` is one from which a collector goes on with exactly that part, ``gap`` what is missing
    until then (None = history from before the watch). ``from_at`` is the time at which it begins
    (None = not told, or now).
    """

    state: State
    gap: Gap | None = None
    from_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A stored item to ask about again: is it still there, was it edited, what are its counts?"""

    external_id: str
    namespace: str = ""
    url: str | None = None
    thread_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Items, and where to resume once exactly these items are stored.

    ``complete`` says that after this batch nothing between the old mark and the start of the run is
    missing (gaps apart). Only then does coverage move.
    """

    items: tuple[RawItem, ...]
    state: State
    complete: bool = False
    gaps: tuple[Gap, ...] = ()
    notices: tuple[str, ...] = ()
    requests: int = 0
    unchanged: bool = False
    suspect: str | None = None  # why an empty or thin result is not to be trusted
    next_at: datetime | None = (
        None  # the source asked not to be called earlier (Cache-Control, ttl, backoff)
    )
    ratings: tuple[RatingSnapshot, ...] = ()
    rest: tuple[Rest, ...] = ()


class Collector(Protocol):
    """Reads a source. It knows nothing of the store; it raises SourceError."""

    spec: SourceSpec

    def collect(self, watch: Watch, state: State, *, now: datetime) -> Iterator[Batch]:
        """Yield batches from the state on. Raises SourceError; earlier batches stay valid."""
        ...


# --- mentions -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """A raw item after cleaning: plain text, canonical URL, content hash. Not stored: no id."""

    source: str
    namespace: str
    external_id: str
    kind: Kind
    text: str
    content_hash: str  # over title, text and rating; engagement, author and raw are left out
    title: str | None = None
    url: str | None = None
    author: RawAuthor | None = None
    published_at: datetime | None = None
    published_precision: Precision = Precision.EXACT
    event_at: datetime | None = None  # when detection counts it; filled by ingest
    event_clamped: bool = False  # the source told a date in the future
    language_hint: str | None = None
    rating: float | None = None
    rating_min: float | None = None
    rating_max: float | None = None
    parent_id: str | None = None
    thread_id: str | None = None
    is_own: bool = False
    solicited: bool = False
    product: str | None = None
    product_version: str | None = None
    place: str | None = None
    touchpoint: str | None = None
    country: str | None = None
    media: tuple[str, ...] = ()
    engagement: Engagement | None = None
    derived: bool = False
    deleted: bool = False
    excerpt: bool = False
    raw: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """Where a term was found: [start, end) in characters of ``field`` ("title" or "text")."""

    field: str
    start: int
    end: int
    term: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A mention belongs to a brand, and why. A match by watch has no spans of its own."""

    brand_id: int
    origin: MatchOrigin
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentiment:
    """Polarity of a text. ``score`` is in -1..1, ``confidence`` in 0..1.

    ``raw`` is what the model was stacked on, as it came (VADER's compound); None without such.
    """

    score: float
    label: Label
    confidence: float
    model: str
    version: str
    raw: float | None = None


@dataclass(frozen=True, slots=True)
class Aspect:
    """What one clause says of a topic: [start, end) in characters of the text that was read.

    The text is title, line break and body where there is a title. ``topic`` is empty for a clause
    that names none; ``score`` None = not scored.
    """

    topic: str
    start: int
    end: int
    score: float | None
    label: Label | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a text is taken to mean. ``sentiment`` None = not scored, which is not neutral.

    ``complaint`` None = could not be judged (no scorer and no rule for the language, and no
    rating). ``tags`` are what further taxonomies say, each as "taxonomy:category", such as
    "nature:technical", "intent:question" or "urgency:safety".
    """

    language: str  # ISO 639-1, "und" = unknown
    sentiment: Sentiment | None
    complaint: bool | None
    topics: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    aspects: tuple[Aspect, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchReading:
    """A match, and the reading of the mention toward that brand."""

    match: Match
    reading: Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadMention:
    """A mention with all that was made of it: what the store takes."""

    mention: Mention
    reading: Reading
    matches: tuple[MatchReading, ...] = ()


# --- detection ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bucket:
    """One time bucket of a series, starting at ``at``. ``count`` None exactly when coverage is
    UNKNOWN.
    """

    at: datetime
    count: int | None
    coverage: Coverage = Coverage.COMPLETE


Interval: TypeAlias = tuple[datetime, datetime]  # [from, to)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which of a brand's mentions a rule looks at. None = all; "*" = each topic (source, language,
    country) as a series of its own, which only one of them may be.
    """

    topic: str | None = None
    source: str | None = None
    language: str | None = None
    country: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Whom a rule tells when nobody has acknowledged the alert ``after`` it was opened.

    The first step is at zero. ``channel_ids`` None = every enabled channel that wants alerts; empty
    = nobody: the spike is shown and calls no one.
    """

    after: timedelta = timedelta(0)
    channel_ids: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What is worth an alert, and who is told. Times of day are minutes after midnight, local.

    ``strictness`` is what marks of "false" and "right" have taught: it is added to the score that a
    spike must reach (0.3 = half as many). ``severity`` None = by the size of the spike. In quiet
    hours, and with ``working_days`` on days off, all but alerts of high severity wait.
    """

    id: int
    brand_id: int
    name: str
    signal: Signal
    scope: Scope = Scope()
    by: By = By.STORIES
    sensitivity: Sensitivity = Sensitivity.NORMAL
    min_count: int = 5  # mentions in the spike before it is told
    severity: Severity | None = None
    quiet_from: int | None = None
    quiet_to: int | None = None
    working_days: bool = False
    steps: tuple[Step, ...] = (Step(),)
    remind_every: timedelta | None = timedelta(minutes=30)  # until acknowledged; None = never
    enabled: bool = True
    muted_until: datetime | None = None
    strictness: float = 0.0
    origin: str = ""  # which of the rules that come with a brand; "" = made by people


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedEvent:
    """Something the calendar knows of: a campaign, a launch. [from_at, to_at)

    ``factor`` is how many times the usual is expected; None = whatever comes was planned, no spike
    opens and nothing is learnt. ``brand_id`` None = of all brands.
    """

    id: int
    name: str
    from_at: datetime
    to_at: datetime
    brand_id: int | None = None
    kind: str = "campaign"  # campaign | launch | other
    factor: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchCoverage:
    """What one watch is known to have collected: [from, to) ``intervals``, in any order.

    A bucket that an active watch still lacks ``late_after`` its end is given up for that watch: its
    part is a gap. ``active_to`` None = active still. A watch that is not active (an import, a
    deleted watch; also one with ``active_to`` = ``active_from``) can cover but is never waited for.
    ``source`` is that of all mentions that it brings.
    """

    watch_id: int
    active_from: datetime
    active_to: datetime | None = None
    intervals: Sequence[Interval] = ()
    late_after: timedelta = timedelta(hours=1)
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the detector says of one bucket.

    ``score`` is -log10 of how many such surprises are expected in 30 days of this series: 0 = one a
    month, 2 = one in a hundred months. ``window`` is the length over which ``observed`` and
    ``window_expected`` are summed; it is the window that was most surprising. The bands are where
    nineteen of twenty such counts lie, of the bucket and of the window: (low, high).
    """

    at: datetime
    count: float | None  # of a share: how many are bad, which is whole for a count
    expected: float
    score: float
    is_spike: bool
    window: timedelta
    observed: float
    window_expected: float
    onset_at: datetime | None = None  # start of the surge, when is_spike
    band: tuple[float, float] = (0.0, 0.0)
    window_band: tuple[float, float] = (0.0, 0.0)
