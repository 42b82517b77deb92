"""Insights: why the score is low, what is praised and blamed, and what nobody listed yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, NamedTuple

from fastapi import APIRouter
from sqlalchemy.orm import Session
from starlette.responses import Response

from api import insights
from api.dashboard import charts, names, start_pages
from api.dashboard.forms import Sent
from api.dashboard.marks import Piece, marked
from api.dashboard.overview import chosen
from api.dashboard.periods import RANGES, Period, period_of
from api.dashboard.view import PageView, View, href
from api.insights import Report
from api.routes.schemas import Id
from listener.analyze.drivers import FEWEST, Driver, Measure, Standing
from listener.analyze.strengths import FEWEST as FEWEST_STORIES
from listener.analyze.strengths import Example, Side, Topic, strengths, weaknesses
from listener.analyze.themes import FEWEST_USUAL
from listener.errors import InvalidInput
from listener.store import brands, feed, themes
from listener.store.items import Item
from listener.store.themes import Found
from listener.types import Brand

router = APIRouter()

HOME: Final = "/insights"
_MOST: Final = 10  # rows of each list
_PAGE: Final = 50
_AROUND: Final = 160  # characters of an example
_QUOTES: Final = 3  # examples of a topic
_DAY: Final = timedelta(days=1)
_DECISIONS: Final = {
    "dismiss": themes.DISMISSED,
    "adopt": themes.ADOPTED,
    "restore": themes.ACTIVE,
}

MEASURES: Final[Mapping[Measure, names.Pair]] = {
    Measure.RATING: ("별점", "Stars"),
    Measure.NPS: ("NPS", "NPS"),
    Measure.CSAT: ("만족도(CSAT)", "CSAT"),
    Measure.CES: ("노력 점수(CES)", "CES"),
    Measure.SENTIMENT: ("감성", "Sentiment"),
}
_UNITS: Final[Mapping[Measure, names.Pair]] = {
    Measure.RATING: ("점", " stars"),
    Measure.NPS: ("점", " points"),
    Measure.CSAT: ("%p", " points"),
    Measure.CES: ("점", " points"),
    Measure.SENTIMENT: ("", ""),
}
_DIGITS: Final = {Measure.NPS: 0, Measure.CSAT: 0, Measure.SENTIMENT: 2}


@router.get(HOME)
def overview(view: PageView) -> Response:
    """The insights of one brand and range."""
    query = view.request.query_params
    given = query.get("measure", "")
    measure = _measure(given)
    with view.services.database.read() as session:
        every = brands.listing(session)
        if not every:
            return start_pages.start(view)
        brand = chosen(every, query.get("brand"))
        period = _period(view)
        made = insights.report(
            session,
            brand.id,
            period.since,
            period.until,
            before=period.before,
            measure=measure,
            counts_flagged=view.services.settings.count_flagged,
        )
        page = _Page(view, brand, period, made)
        good = strengths(made.topics)[:_MOST]
        bad = weaknesses(made.topics)[:_MOST]
        items = _items(session, view, [*good, *bad])
        found = themes.listing(session, brand.id, period.since, period.until, states=themes.STATES)
        shown = [one for one in found if one.state != themes.DISMISSED][:_MOST]
        return view.render(
            "insights.html",
            brands=every,
            brand=brand,
            period=period,
            ranges=RANGES,
            measures=MEASURES,
            asked=measure,
            made=made,
            measure=made.why.measure,
            drivers=page.drivers(),
            thin=page.thin(),
            good=[page.topic(topic, topic.positive, "positive", items) for topic in good],
            bad=[page.topic(topic, topic.negative, "negative", items) for topic in bad],
            few=[topic for topic in made.topics if not topic.enough],
            fewest=FEWEST,
            fewest_stories=FEWEST_STORIES,
            fewest_usual=FEWEST_USUAL,
            themes=page.themes(session, shown),
            dismissed=[one for one in found if one.state == themes.DISMISSED],
            mean=page.points(made.why.drivers.mean),
            all_url=page.behind("all"),
        )


@router.get(HOME + "/mentions")
def behind(view: PageView) -> Response:
    """The mentions behind a number."""
    query = view.request.query_params
    given = query.get("measure", "")
    of = query.get("of", "")[:200]
    number = query.get("page", "1")
    page = max(1, int(number)) if number.isdecimal() and len(number) < 6 else 1
    with view.services.database.read() as session:
        every = brands.listing(session)
        if not every:
            return start_pages.start(view)
        brand = chosen(every, query.get("brand"))
        period = _period(view)
        ids = insights.mention_ids(
            session,
            brand.id,
            period.since,
            period.until,
            of,
            measure=_measure(given),
            counts_flagged=view.services.settings.count_flagged,
        )
        some = ids[(page - 1) * _PAGE : page * _PAGE]
        rows = _by_ids(session, view, some)
        title = _title(session, view, of)
    return view.render(
        "insight_mentions.html",
        brand=brand,
        period=period,
        title=title,
        total=len(ids),
        rows=[rows[one] for one in some if one in rows],
        back=href(HOME, brand=brand.id, measure=given or None, **period.query),
        more=view.here(page=page + 1) if len(ids) > page * _PAGE else None,
    )


@router.post(HOME + "/themes/{theme_id}")
def decide(view: PageView, theme_id: Id, form: Sent) -> Response:
    """Dismiss a theme, make a topic of it, or take that back."""
    state = _DECISIONS.get(form.get("decision"))
    if state is None:
        raise InvalidInput("There is no such decision.", field="decision")
    by = view.user.email if view.user else ""
    with view.services.database.write() as work:
        theme = themes.decide(work.session, theme_id, state, by=by, now=view.now)
        work.commit()
    if state == themes.ADOPTED:
        words = ",".join(themes.words(theme))
        return view.go(href("/taxonomies/new", words=words, name=theme.name))
    return view.go(href(HOME, brand=theme.brand_id) + "#themes", "saved")


def _measure(given: str) -> Measure | None:
    return Measure(given) if given in {one.value for one in Measure} else None


def _period(view: View) -> Period:
    """As everywhere, but four weeks unless something else is asked for: scores are rare."""
    query = dict(view.request.query_params)
    if "range" not in query and "from" not in query:
        query["range"] = "28d"
    return period_of(query, now=view.now, tz=view.say.tz)


def _title(session: Session, view: View, of: str) -> str:
    say = view.say
    kind, _, name = of.partition(":")
    if kind == "theme" and name.isdecimal():
        return themes.get(session, int(name)).name
    topic = view.topic_name(name)
    told: Mapping[str, names.Pair] = {
        "all": ("점수가 있는 글", "Mentions with a score"),
        "with": ("‘{x}’ 언급", "Mentions of {x}"),
        "without": ("‘{x}’ 언급이 없는 글", "Mentions without {x}"),
        "positive": ("‘{x}’ 칭찬", "Praise of {x}"),
        "negative": ("‘{x}’ 불평", "Blame of {x}"),
    }
    return say(*told[kind], x=topic)


def _by_ids(session: Session, view: View, ids: Sequence[int]) -> dict[int, tuple[object, Item]]:
    shown = not view.services.settings.hash_authors
    found = feed.by_ids(session, sorted(ids), names=shown) if ids else ()
    return {item.id: (at, item) for at, item in found}


def _items(session: Session, view: View, topics: Iterable[Topic]) -> dict[int, Item]:
    ids = {
        example.mention_id
        for topic in topics
        for side in (topic.positive, topic.negative)
        for example in side.examples
    }
    return {one: item for one, (_, item) in _by_ids(session, view, list(ids)).items()}


class _Place(NamedTuple):
    """A span as ``marked`` takes it."""

    field: str
    start: int
    end: int
    term: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A driver as a row: the chart's marks in 0..200, the sentence, and ways to the mentions."""

    name: str
    driver: Driver
    sentence: str
    effect: str
    interval: str
    impact: str
    zero: float
    at: float
    low: float
    high: float
    tone: str  # bad | good | flat
    url: str
    others_url: str


@dataclass(frozen=True, slots=True)
class Judged:
    """A topic that is praised or blamed."""

    name: str
    side: Side
    share: str
    interval: str
    change: charts.Change
    url: str
    quotes: Sequence[tuple[int, Sequence[Piece]]]  # mention, its text with the clause marked


@dataclass(frozen=True, slots=True)
class Risen:
    """A theme."""

    found: Found
    words: Sequence[str]
    spark: charts.Spark | None
    sentence: str
    total: int
    url: str
    adopt_url: str


@dataclass(frozen=True, slots=True)
class _Page:
    """Puts numbers into words and addresses."""

    view: View
    brand: Brand
    period: Period
    made: Report

    @property
    def _measure(self) -> Measure:
        return self.made.why.measure

    def behind(self, of: str, *, measured: bool = True) -> str:
        """The address of the mentions behind a number."""
        return href(
            HOME + "/mentions",
            brand=self.brand.id,
            of=of,
            measure=self._measure.value if measured else None,
            **self._query(),
        )

    def points(self, value: float | None) -> str:
        """A value of the measure, such as 3.8점."""
        if value is None:
            return "–"
        digits = _DIGITS.get(self._measure, 1)
        unit = "%" if self._measure is Measure.CSAT else self.view.say(*_UNITS[self._measure])
        return f"{self.view.say.number(value, digits)}{unit}"

    def drivers(self) -> list[Bar]:
        """Those with an estimate, what pulls down most first."""
        told = [one for one in self.made.why.drivers.topics if one.effect is not None]
        reach = max((abs(x or 0.0) for one in told for x in (one.low, one.high)), default=1.0)
        return [self._bar(one, reach or 1.0) for one in told]

    def thin(self) -> list[tuple[str, Driver, str]]:
        """Those without: name, facts, and the way to their mentions."""
        return [
            (self.view.topic_name(one.topic), one, self.behind(f"with:{one.topic}"))
            for one in self.made.why.drivers.topics
            if one.effect is None
        ]

    def _bar(self, one: Driver, reach: float) -> Bar:
        low, high, effect = one.low or 0.0, one.high or 0.0, one.effect or 0.0

        def place(value: float) -> float:
            return round(100 + 96 * value / reach, 1)

        sure = one.standing is Standing.SURE

        def signed(value: float) -> str:
            return f"{value:+,.{self._digits}f}"

        return Bar(
            name=self.view.topic_name(one.topic),
            driver=one,
            sentence=self._sentence(one),
            effect=f"{signed(effect)}{self.view.say(*_UNITS[self._measure])}",
            interval=self.view.say(
                "{low} ~ {high}", "{low} to {high}", low=signed(low), high=signed(high)
            ),
            impact=f"{one.impact or 0.0:+,.{self._digits + 1}f}",
            zero=100.0,
            at=place(effect),
            low=place(low),
            high=place(high),
            tone="flat" if not sure else "bad" if effect < 0 else "good",
            url=self.behind(f"with:{one.topic}"),
            others_url=self.behind(f"without:{one.topic}"),
        )

    @property
    def _digits(self) -> int:
        return _DIGITS.get(self._measure, 1)

    def _sentence(self, one: Driver) -> str:
        say = self.view.say
        name = self.view.topic_name(one.topic)
        effect, low, high = one.effect or 0.0, one.low or 0.0, one.high or 0.0
        small, large = sorted((abs(low), abs(high)))
        measure, unit = say(*MEASURES[self._measure]), say(*_UNITS[self._measure])
        noun = self._noun()
        if one.standing is not Standing.SURE:
            return say(
                "‘{topic}’{obj} 말한 {noun}의 {measure}{subj} 다른 {noun}{and_}"
                " 뚜렷이 다르지 않습니다 (95% 구간 {low}~{high}, {n}건)",
                "{noun} that mention {topic} do not clearly differ in {measure}"
                " (95% interval {low} to {high}, {n} mentions)",
                topic=name,
                obj=_particle(name, "을", "를"),
                noun=noun,
                and_=_particle(noun, "과", "와"),
                measure=measure,
                subj=_particle(measure, "이", "가"),
                low=f"{low:+.{self._digits}f}",
                high=f"{high:+.{self._digits}f}",
                n=say.number(one.count),
            )
        lower = effect < 0
        return say(
            "‘{topic}’{obj} 말한 {noun}{top} {measure}{subj} 평균 {x}{unit} {how}"
            " (95% 구간 {low}~{high}, {n}건)",
            "{noun} that mention {topic} are {x}{unit} {how}{within} on average"
            " (95% interval {low} to {high}, {n} mentions)",
            topic=name,
            obj=_particle(name, "을", "를"),
            noun=noun,
            top=_particle(noun, "은", "는"),
            measure=measure,
            subj=_particle(measure, "이", "가"),
            # Stars say by themselves what they measure.
            within="" if self._measure is Measure.RATING else f" in {measure}",
            x=f"{abs(effect):.{self._digits}f}",
            unit=unit,
            how=say("낮습니다", "lower") if lower else say("높습니다", "higher"),
            low=f"{small:.{self._digits}f}",
            high=f"{large:.{self._digits}f}",
            n=say.number(one.count),
        )

    def _noun(self) -> str:
        say = self.view.say
        if self._measure is Measure.RATING:
            return say("리뷰", "Reviews")
        if self._measure is Measure.SENTIMENT:
            return say("글", "Mentions")
        return say("응답", "Answers")

    def topic(self, topic: Topic, side: Side, name: str, items: Mapping[int, Item]) -> Judged:
        """A strength or a weakness with its clearest clauses."""
        say = self.view.say
        low, high = side.interval
        return Judged(
            name=self.view.topic_name(topic.name),
            side=side,
            share=say.percent(side.share),
            interval=f"{say.percent(low)}–{say.percent(high)}",
            change=self._change(side, 1 if name == "positive" else -1),
            url=self.behind(f"{name}:{topic.name}", measured=False),
            quotes=_quotes(side, items),
        )

    def _change(self, side: Side, better: int) -> charts.Change:
        if side.change is None or side.change_interval is None:
            return charts.Change("", "flat")
        low, high = side.change_interval
        if low <= 0 <= high:
            return charts.Change(self.view.say("뚜렷한 변화 없음", "no clear change"), "flat")
        return charts.change(side.change, 0.0, better=better, points=True)

    def themes(self, session: Session, found: Sequence[Found]) -> list[Risen]:
        """Themes with their days."""
        since = max(self.period.since, self.period.until - 28 * _DAY)
        passed = min(self.period.until, self.view.now + _DAY)
        step = _DAY if passed - since > 2 * _DAY else timedelta(hours=3)
        days = themes.days(session, [one.id for one in found], since, passed, step=step)
        count = max(2, -(-(passed - since) // step))
        risen = []
        for one in found:
            by_start = days[one.id]
            line = [by_start.get(since + place * step, 0) for place in range(count)]
            words = themes.words(one)
            risen.append(
                Risen(
                    found=one,
                    words=words[1:],
                    spark=charts.sparkline([float(number) for number in line]),
                    sentence=self._rise(one),
                    total=sum(line),
                    url=self.behind(f"theme:{one.id}", measured=False),
                    adopt_url=href("/taxonomies/new", words=",".join(words), name=one.name),
                )
            )
        return risen

    def _rise(self, one: Found) -> str:
        say = self.view.say
        span = say.length(one.window) if one.window > _DAY else say("24시간", "24 hours")
        if one.expected < 0.5:
            return say(
                "{span} 동안 {n}명이 말했습니다. 그 전 4주에는 거의 없던 말입니다.",
                "{n} people in {span}; in the 4 weeks before hardly anybody said it.",
                span=span,
                n=say.number(one.count),
            )
        return say(
            "{span} 동안 {n}명이 말했습니다. 그 전 4주라면 {x}명쯤이었을 것입니다.",
            "{n} people in {span}, where the 4 weeks before would give about {x}.",
            span=span,
            n=say.number(one.count),
            x=say.about(one.expected),
        )

    def _query(self) -> dict[str, str | None]:
        query = dict(self.period.query)
        if self.period.name != "custom":
            query["range"] = self.period.name
        return query


def _quotes(side: Side, items: Mapping[int, Item]) -> list[tuple[int, Sequence[Piece]]]:
    """The clearest clauses, each wording once."""
    quotes: dict[str, tuple[int, Sequence[Piece]]] = {}
    for one in side.examples:
        if one.mention_id in items:
            pieces = _quote(items[one.mention_id], one)
            said = " ".join(piece.text.strip() for piece in pieces if piece.mark)
            quotes.setdefault(said, (one.mention_id, pieces))
    return list(quotes.values())[:_QUOTES]


def _quote(item: Item, example: Example) -> Sequence[Piece]:
    """The text around a clause, with the clause marked."""
    shift = len(item.title) + 1 if item.title else 0
    field = "title" if item.title and example.end <= shift else "text"
    moved = 0 if field == "title" else shift
    span = _Place(field, max(0, example.start - moved), example.end - moved, "·")
    text = item.title if field == "title" else item.text
    return marked(text, [span], field, around=_AROUND)


def _particle(word: str, closed: str, opened: str) -> str:
    """The particle after a word that ends in a consonant, or in a vowel."""
    last = next((letter for letter in reversed(word) if letter.isalnum()), "")
    if "가" <= last <= "힣":
        return closed if (ord(last) - ord("가")) % 28 else opened
    return opened
