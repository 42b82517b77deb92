"""``/api/v1/insights``: themes that nobody listed, what drives scores, strengths and weaknesses."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy.orm import Session
from starlette.responses import Response

from api import insights
from api.auth import Writes
from api.deps import Json, Now, Services, ServicesDep
from api.routes.mentions import brand_id
from api.routes.schemas import Body, BrandName, Id
from listener.analyze.drivers import Driver, Measure
from listener.analyze.strengths import Side, Topic, strengths, weaknesses
from listener.errors import InvalidInput
from listener.store import brands, themes
from listener.store.themes import Found
from listener.types import Brand

router = APIRouter(prefix="/api/v1/insights", tags=["insights"])

_DEFAULT = timedelta(days=28)
_LONGEST = timedelta(days=366)
_NO_IDS = 1_000


class InsightQuery(BaseModel):
    """Which brand and time."""

    brand: str = Field(max_length=200, description="Name or id of a brand.", examples=["하늘"])
    since: AwareDatetime | None = Field(
        None, alias="from", description="From this time on. Default: 28 days before `to`."
    )
    until: AwareDatetime | None = Field(
        None, alias="to", description="Up to this time. Default: now."
    )

    def time(self, now: datetime) -> tuple[datetime, datetime]:
        """The time asked for. Raises InvalidInput."""
        until = self.until or now
        since = self.since or until - _DEFAULT
        if not since < until <= since + _LONGEST:
            raise InvalidInput(
                "This must be before `to`, by at most a year.", field="from", hint="Mend it."
            )
        return since, until


class DriverQuery(InsightQuery):
    """Which score."""

    measure: Literal["rating", "nps", "csat", "ces", "sentiment"] | None = Field(
        None,
        description="The score to explain: stars of 1 to 5, NPS of -100 to 100, per cent satisfied,"
        " ease of 1 to 7, or sentiment of -1 to 1. Default: stars where 20 mentions have some, else"
        " the survey with most answers, else sentiment. Where there is none, the answer says which"
        " `measure` it is about instead.",
    )


class Span95(BaseModel):
    """A number and its 95 % interval."""

    value: float
    low: float
    high: float


class DriverOut(BaseModel):
    """One topic's part in the score, all other topics and the source being equal."""

    topic: str = Field(examples=["delivery"])
    standing: Literal["sure", "unsure", "too_few", "inseparable"] = Field(
        description="`sure`: the false discovery rate is at most 5 %; `unsure`: it may be luck; "
        "`too_few`: under 20 mentions with or without it; `inseparable`: it always comes with "
        "another topic."
    )
    count: int = Field(description="Scored mentions that name it, copies once.")
    others: int = Field(description="Scored mentions that do not.")
    mean: float | None = Field(description="Of the scores of those that name it.")
    mean_others: float | None
    effect: Span95 | None = Field(description="Points by which a mention of it differs.")
    impact: Span95 | None = Field(
        description="Effect times share: what it adds to the mean of all. -0.2 = the mean would be "
        "0.2 higher if these mentions were like the others."
    )
    q: float | None = Field(description="False discovery rate (Benjamini-Hochberg).")
    mentions: str = Field(description="Where to ask for the ids of those that name it.")


class DriversOut(BaseModel):
    """What drives a score, what pulls it down most first."""

    brand: BrandName
    since: datetime
    until: datetime
    measure: str = Field(examples=["rating"])
    asked: str | None
    available: dict[str, int] = Field(description="Scored mentions by measure, copies once.")
    count: int
    mean: float | None
    explained: float | None = Field(description="R squared: the part that topics explain.")
    cut: bool = Field(description="There are more mentions; only the newest 30,000 were read.")
    mentions: str
    items: list[DriverOut]


class SideOut(BaseModel):
    """The stories that say one thing of a topic."""

    stories: int
    authors: int
    share: Span95
    change: Span95 | None = Field(description="Of the share, against the period before.")
    mentions: str
    examples: list[dict[str, Any]] = Field(
        description="`mention`, and `start` and `end` in title, line break and text."
    )


class TopicOut(BaseModel):
    """What clauses say of a topic."""

    topic: str
    stories: int
    enough: bool = Field(description="At least 20 stories judge it.")
    positive: SideOut
    negative: SideOut


class StrengthsOut(BaseModel):
    """What is praised and what is blamed, what is surest first."""

    brand: BrandName
    since: datetime
    until: datetime
    cut: bool
    strengths: list[TopicOut]
    weaknesses: list[TopicOut]
    too_few: list[TopicOut]


class ThemeOut(BaseModel):
    """A theme that nobody listed."""

    id: int
    name: str = Field(examples=["거품 용기 누수"])
    words: list[str] = Field(description="All its phrases and spellings.")
    state: Literal["active", "faded", "dismissed", "adopted"]
    first_at: datetime
    last_at: datetime
    window_hours: int = Field(description="It stands out in a time of this length.")
    voices: int = Field(description="Distinct authors and stories in it, when last found.")
    expected: float = Field(description="Voices to be expected by the four weeks before.")
    z: float = Field(description="Log-odds against the weeks before, over their error.")
    mentions_in_time: int
    mentions: str


class ThemesOut(BaseModel):
    """Themes, the strongest first."""

    brand: BrandName
    since: datetime
    until: datetime
    items: list[ThemeOut]


class Behind(BaseModel):
    """The mentions behind a number, the newest first."""

    total: int
    ids: list[int] = Field(description=f"The first {_NO_IDS:,}.")


class ThemeChange(Body):
    """What people say of a theme."""

    state: Literal["active", "dismissed", "adopted"] = Field(
        description="`dismissed` hides it for good; `adopted`: there is a topic for it now."
    )


class ThemesQuery(InsightQuery):
    """Which themes."""

    state: Literal["active", "faded", "dismissed", "adopted"] | None = Field(
        None, description="Default: all but dismissed ones."
    )


class BehindQuery(DriverQuery):
    """Which number."""

    of: str = Field(
        max_length=200,
        description="`theme:ID`, `all`, `with:TOPIC`, `without:TOPIC`, `positive:TOPIC` or "
        "`negative:TOPIC`.",
        examples=["with:delivery"],
    )


@router.get("/themes", response_model=ThemesOut, operation_id="list_themes")
def list_themes(
    services: ServicesDep, now: Now, query: Annotated[ThemesQuery, Query()]
) -> Response:
    """Phrases that many more people use than in the weeks before, looked for once an hour."""
    since, until = query.time(now)
    with services.database.read() as session:
        brand = brands.get(session, brand_id(session, query.brand))
        wanted = (query.state,) if query.state else (themes.ACTIVE, themes.FADED, themes.ADOPTED)
        found = themes.listing(session, brand.id, since, until, states=wanted)
        told = [_theme(session, brand, one, since, until) for one in found]
    return Json({**_head(brand, since, until), "items": told})


@router.patch(
    "/themes/{theme_id}",
    response_model=ThemeOut,
    operation_id="change_theme",
    dependencies=[Writes],
)
def change_theme(services: ServicesDep, now: Now, theme_id: Id, body: ThemeChange) -> Response:
    """Dismiss or adopt a theme, or take that back. It holds whenever the theme is found again."""
    with services.database.write() as work:
        found = themes.decide(work.session, theme_id, body.state, by="api", now=now)
        brand = brands.get(work.session, found.brand_id)
        told = _theme(work.session, brand, found, now - _DEFAULT, now)
        work.commit()
    return Json(told)


@router.get("/drivers", response_model=DriversOut, operation_id="get_drivers")
def get_drivers(
    services: ServicesDep, now: Now, query: Annotated[DriverQuery, Query()]
) -> Response:
    """Why the score is what it is: each topic's effect with its interval, the others being equal.

    It is association: where to look first, not proof of a cause.
    """
    since, until = query.time(now)
    measure = Measure(query.measure) if query.measure else None
    with services.database.read() as session:
        brand = brands.get(session, brand_id(session, query.brand))
        made = insights.report(
            session, brand.id, since, until, measure=measure, counts_flagged=_flagged(services)
        )
    why = made.why

    def at(of: str) -> str:
        return _behind(brand, since, until, of, why.measure)

    return Json(
        {
            **_head(brand, since, until),
            "measure": why.measure.value,
            "asked": query.measure,
            "available": {one.value: count for one, count in why.available.items()},
            "count": why.drivers.count,
            "mean": why.drivers.mean,
            "explained": why.drivers.explained,
            "cut": made.cut,
            "mentions": at("all"),
            "items": [_driver(one, at(f"with:{one.topic}")) for one in why.drivers.topics],
        }
    )


@router.get("/strengths", response_model=StrengthsOut, operation_id="get_strengths")
def get_strengths(
    services: ServicesDep, now: Now, query: Annotated[InsightQuery, Query()]
) -> Response:
    """What clauses praise and blame, by topic, with the change against the period before."""
    since, until = query.time(now)
    with services.database.read() as session:
        brand = brands.get(session, brand_id(session, query.brand))
        made = insights.report(
            session,
            brand.id,
            since,
            until,
            before=(since - (until - since), since),
            counts_flagged=_flagged(services),
        )

    def told(topic: Topic) -> dict[str, Any]:
        return {
            "topic": topic.name,
            "stories": topic.stories,
            "enough": topic.enough,
            **{
                name: _side(side, _behind(brand, since, until, f"{name}:{topic.name}"))
                for name, side in (("positive", topic.positive), ("negative", topic.negative))
            },
        }

    return Json(
        {
            **_head(brand, since, until),
            "cut": made.cut,
            "strengths": [told(topic) for topic in strengths(made.topics)],
            "weaknesses": [told(topic) for topic in weaknesses(made.topics)],
            "too_few": [told(topic) for topic in made.topics if not topic.enough],
        }
    )


@router.get("/mentions", response_model=Behind, operation_id="list_mentions_behind")
def list_mentions_behind(
    services: ServicesDep, now: Now, query: Annotated[BehindQuery, Query()]
) -> Response:
    """The ids of the mentions behind a number of the insights."""
    since, until = query.time(now)
    with services.database.read() as session:
        ids = insights.mention_ids(
            session,
            brand_id(session, query.brand),
            since,
            until,
            query.of,
            measure=Measure(query.measure) if query.measure else None,
            counts_flagged=_flagged(services),
        )
    return Json({"total": len(ids), "ids": ids[:_NO_IDS]})


def _flagged(services: Services) -> bool:
    return services.settings.count_flagged


def _head(brand: Brand, since: datetime, until: datetime) -> dict[str, Any]:
    return {"brand": {"id": brand.id, "name": brand.name}, "since": since, "until": until}


def _behind(
    brand: Brand, since: datetime, until: datetime, of: str, measure: Measure | None = None
) -> str:
    query = {"brand": brand.id, "from": since.isoformat(), "to": until.isoformat(), "of": of}
    if measure is not None:
        query["measure"] = measure.value
    return f"{router.prefix}/mentions?{urlencode(query)}"


def _span(value: float | None, low: float | None, high: float | None) -> dict[str, Any] | None:
    return None if value is None else {"value": value, "low": low, "high": high}


def _driver(one: Driver, mentions: str) -> dict[str, Any]:
    return {
        "topic": one.topic,
        "standing": one.standing.value,
        "count": one.count,
        "others": one.others,
        "mean": one.mean,
        "mean_others": one.mean_others,
        "effect": _span(one.effect, one.low, one.high),
        "impact": _span(one.impact, one.impact_low, one.impact_high),
        "q": one.rate,
        "mentions": mentions,
    }


def _side(side: Side, mentions: str) -> dict[str, Any]:
    change = side.change_interval
    return {
        "stories": side.stories,
        "authors": side.authors,
        "share": _span(side.share, *side.interval),
        "change": None if change is None else _span(side.change, *change),
        "mentions": mentions,
        "examples": [
            {"mention": one.mention_id, "start": one.start, "end": one.end, "score": one.score}
            for one in side.examples
        ],
    }


def _theme(
    session: Session, brand: Brand, one: Found, since: datetime, until: datetime
) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "words": themes.words(one),
        "state": one.state,
        "first_at": one.first_at,
        "last_at": one.last_at,
        "window_hours": int(one.window.total_seconds()) // 3600,
        "voices": one.count,
        "expected": one.expected,
        "z": one.z,
        "mentions_in_time": len(themes.mention_ids(session, one.id, since, until)),
        "mentions": _behind(brand, since, until, f"theme:{one.id}"),
    }
