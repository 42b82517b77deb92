from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from builders import NOW, a_mention, a_read_mention, a_reading, stored_brand
from listener.analyze.themes import Spelt, Theme
from listener.store import themes
from listener.store.work import Database
from listener.types import Aspect, Kind, Label, RawAuthor, ReadMention
from writing import write

Problem = Callable[..., dict[str, Any]]
FROM = (NOW - timedelta(days=28)).isoformat().replace("+00:00", "Z")


def a_review(number: int, chance: random.Random) -> ReadMention:
    """Stars that lack one where delivery is named, which is then blamed."""
    late = chance.random() < 0.4
    stars = float(min(5, max(1, round(4.3 - late + chance.gauss(0, 0.7)))))
    topics = [name for name, told in (("delivery", late), ("quality", number % 3 == 0)) if told]
    aspects = [
        Aspect(topic, 0, 7, -0.8 if topic == "delivery" else 0.8, label)
        for topic, label in (("delivery", Label.NEGATIVE), ("quality", Label.POSITIVE))
        if topic in topics
    ]
    return a_read_mention(
        a_mention(
            f"r{number}",
            f"배송이 늦어요 {number}",
            kind=Kind.REVIEW,
            rating=stars,
            rating_min=1.0,
            rating_max=5.0,
            published_at=NOW - timedelta(hours=1 + number % 600),
            author=RawAuthor(native_id=f"u{number}", handle=f"u{number}"),
        ),
        reading=a_reading(topics=tuple(topics), aspects=tuple(aspects)),
    )


@pytest.fixture
def reviews(database: Database) -> None:
    """Three hundred reviews of brand 1, and a theme in three of them."""
    chance = random.Random(4)
    with database.write() as work:
        stored_brand(work.session, "하늘")
        work.commit()
    write(database, *(a_review(number, chance) for number in range(300)))
    theme = Theme(
        name="거품 용기",
        phrases=(Spelt("거품용기", "거품 용기", ("거품용기",)),),
        window=timedelta(days=1),
        count=9,
        expected=0.4,
        z=4.2,
        mention_ids=(1, 2, 3),
    )
    with database.write() as work:
        themes.save(work.session, 1, [theme], {}, now=NOW - timedelta(hours=1))
        work.commit()


@pytest.mark.usefixtures("reviews")
def test_drivers_with_the_mentions_behind_them(client: TestClient) -> None:
    told = client.get(f"/api/v1/insights/drivers?brand=하늘&from={FROM}").json()
    assert (told["measure"], told["count"]) == ("rating", 300)
    first = told["items"][0]
    assert (first["topic"], first["standing"]) == ("delivery", "sure")
    assert first["effect"]["low"] < -0.9 < first["effect"]["high"] < 0
    assert first["impact"]["value"] == pytest.approx(
        first["effect"]["value"] * first["count"] / 300
    )
    assert told["items"][1]["standing"] == "unsure"
    behind = client.get(first["mentions"]).json()
    assert behind["total"] == first["count"] == len(behind["ids"])
    without = client.get(first["mentions"].replace("with%3A", "without%3A")).json()
    assert without["total"] == first["others"]
    assert client.get(told["mentions"]).json()["total"] == 300


@pytest.mark.usefixtures("reviews")
def test_a_measure_without_answers_falls_back_and_says_so(client: TestClient) -> None:
    told = client.get(f"/api/v1/insights/drivers?brand=1&measure=nps&from={FROM}").json()
    assert (told["asked"], told["measure"], told["available"]["nps"]) == ("nps", "rating", 0)
    told = client.get(f"/api/v1/insights/drivers?brand=1&measure=sentiment&from={FROM}").json()
    assert told["measure"] == "sentiment"


@pytest.mark.usefixtures("reviews")
def test_strengths_and_weaknesses(client: TestClient) -> None:
    told = client.get(f"/api/v1/insights/strengths?brand=1&from={FROM}").json()
    assert [one["topic"] for one in told["strengths"]] == ["quality"]
    (bad,) = told["weaknesses"]
    assert (bad["topic"], bad["negative"]["share"]["value"]) == ("delivery", 1.0)
    assert bad["negative"]["stories"] == bad["negative"]["authors"] == bad["stories"]
    assert bad["negative"]["change"] is None  # nothing is known of the time before
    assert {"mention", "start", "end", "score"} == set(bad["negative"]["examples"][0])
    assert client.get(bad["negative"]["mentions"]).json()["total"] == bad["stories"]
    assert client.get(bad["positive"]["mentions"]).json()["total"] == 0


@pytest.mark.usefixtures("reviews")
def test_themes_are_told_dismissed_and_adopted(
    client: TestClient, client_of: Callable[..., TestClient], is_problem: Problem
) -> None:
    (theme,) = client.get("/api/v1/insights/themes?brand=1").json()["items"]
    assert (theme["name"], theme["words"]) == ("거품 용기", ["거품 용기", "거품용기"])
    assert (theme["voices"], theme["mentions_in_time"], theme["state"]) == (9, 3, "active")
    assert client.get(theme["mentions"]).json()["total"] == 3
    path = f"/api/v1/insights/themes/{theme['id']}"
    is_problem(client.patch(path, json={"state": "dismissed"}), 403, "forbidden")
    writer = client_of("read", "write")
    assert writer.patch(path, json={"state": "dismissed"}).json()["state"] == "dismissed"
    assert client.get("/api/v1/insights/themes?brand=1").json()["items"] == []
    assert len(client.get("/api/v1/insights/themes?brand=1&state=dismissed").json()["items"]) == 1
    is_problem(
        writer.patch("/api/v1/insights/themes/99", json={"state": "active"}), 404, "not-found"
    )


@pytest.mark.usefixtures("reviews")
@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("drivers?brand=99", "brand"),
        (f"drivers?brand=1&to={FROM}&from={FROM}", "from"),
        ("strengths?brand=1&from=2020-01-01T00:00:00Z", "from"),
        ("mentions?brand=1&of=nonsense:1", "of"),
    ],
)
def test_what_makes_no_sense_is_refused(
    client: TestClient, is_problem: Problem, path: str, field: str
) -> None:
    problem = is_problem(client.get(f"/api/v1/insights/{path}"), 400, "invalid")
    assert problem["errors"][0]["field"] == field  # type: ignore[index]


def test_a_brand_without_mentions_has_empty_insights(
    client: TestClient, database: Database
) -> None:
    with database.write() as work:
        stored_brand(work.session, "하늘")
        work.commit()
    told = client.get("/api/v1/insights/drivers?brand=1").json()
    assert (told["count"], told["mean"], told["items"]) == (0, None, [])
    assert client.get("/api/v1/insights/strengths?brand=1").json()["weaknesses"] == []
    assert client.get("/api/v1/insights/themes?brand=1").json()["items"] == []
