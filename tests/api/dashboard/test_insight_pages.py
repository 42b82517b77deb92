from __future__ import annotations

import random
import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from builders import a_mention, a_read_mention, a_reading, stored_brand
from listener.analyze.themes import Spelt, Theme
from listener.runtime.clock import utc_now
from listener.runtime.wiring import Services
from listener.store import themes
from listener.types import Aspect, Kind, Label, RawAuthor, ReadMention
from writing import write

Csrf = Callable[..., str]
Visit = Callable[[Services], TestClient]
TEXT = "배송이 너무 늦어요. 품질은 좋아요"


def a_review(number: int, chance: random.Random) -> ReadMention:
    """Delivery takes a star; quality takes none and is praised."""
    late, good = chance.random() < 0.4, chance.random() < 0.5
    aspects = [Aspect("delivery", 0, 11, -0.8, Label.NEGATIVE)] if late else []
    aspects += [Aspect("quality", 12, 19, 0.9, Label.POSITIVE)] if good else []
    return a_read_mention(
        a_mention(
            f"r{number}",
            f"{TEXT} {number}",
            kind=Kind.REVIEW,
            rating=float(min(5, max(1, round(4.3 - late + chance.gauss(0, 0.7))))),
            rating_min=1.0,
            rating_max=5.0,
            published_at=utc_now() - timedelta(hours=1 + number % 400),
            author=RawAuthor(native_id=f"u{number}", handle=f"u{number}"),
        ),
        reading=a_reading(topics=tuple(one.topic for one in aspects), aspects=tuple(aspects)),
    )


@pytest.fixture
def reviews(empty: Services) -> Services:
    """An install with 200 reviews of one brand, and a theme."""
    chance = random.Random(4)
    with empty.database.write() as work:
        stored_brand(work.session, "하늘")
        work.commit()
    write(empty.database, *(a_review(n, chance) for n in range(200)), now=utc_now())
    theme = Theme(
        name="거품 용기",
        phrases=(Spelt("거품용기", "거품 용기", ("거품용기",)),),
        window=timedelta(days=1),
        count=9,
        expected=0.4,
        z=4.2,
        mention_ids=(1, 2, 3),
    )
    with empty.database.write() as work:
        themes.save(work.session, 1, [theme], {}, now=utc_now())
        work.commit()
    return empty


def test_drivers_are_told_in_words_with_links(reviews: Services, visit: Visit) -> None:
    client = visit(reviews)
    page = client.get("/insights").text
    told = re.search(
        r"‘배송’을 말한 리뷰는 별점이 평균 ([\d.]+)점 낮습니다"
        r" \(95% 구간 ([\d.]+)~([\d.]+), (\d+)건\)",
        page,
    )
    assert told is not None
    effect, low, high = (float(told[n]) for n in (1, 2, 3))
    assert low <= effect <= high
    assert low < 1.0
    url = re.search(r'href="(/insights/mentions\?[^"]*of=with%3Adelivery[^"]*)"', page)
    assert url is not None
    behind = client.get(url[1].replace("&amp;", "&")).text
    assert f"{told[4]}건" in behind
    assert "배송이 너무 늦어요" in behind


def test_strengths_and_weaknesses_show_the_clause(reviews: Services, visit: Visit) -> None:
    page = visit(reviews).get("/insights").text
    bad, _, good = page.partition('id="good-title"')
    assert re.search(r"<mark[^>]*>배송이 너무 늦어요.</mark>", bad)
    assert re.search(r"<mark[^>]*>품질은 좋아요", good)


def test_a_theme_is_dismissed_and_made_a_topic(reviews: Services, visit: Visit, csrf: Csrf) -> None:
    client = visit(reviews)
    assert "거품 용기" in client.get("/insights").text
    form = {"csrf": csrf(client)}
    answer = client.post("/insights/themes/1", data={**form, "decision": "dismiss"})
    assert "숨긴 것 1개" in answer.text
    gone = client.post(
        "/insights/themes/1", data={**form, "decision": "adopt"}, follow_redirects=False
    )
    assert gone.headers["location"].startswith("/taxonomies/new?words=")
    assert "주제로 만듦" in client.get("/insights").text
    assert client.post("/insights/themes/1", data={**form, "decision": "x"}).status_code == 422
    huge = client.post(f"/insights/themes/{2**70}", data={**form, "decision": "dismiss"})
    assert huge.status_code == 400
    assert client.get("/insights/mentions?of=theme:1&brand=1").text.count('class="mention"') == 3


def test_english_and_other_measures(reviews: Services, visit: Visit) -> None:
    client = visit(reviews)
    page = client.get("/insights?lang=en&measure=nps").text
    assert "No mention of this period has a score of NPS, so this is about Stars." in page
    assert "stars lower on average" in page
    assert "Sentiment" in client.get("/insights?lang=en&measure=sentiment&range=7d").text


def test_without_data_the_page_says_what_is_missing(empty: Services, visit: Visit) -> None:
    with empty.database.write() as work:
        stored_brand(work.session, "하늘")
        work.commit()
    page = visit(empty).get("/insights").text
    assert "별점, 설문 점수, 감성 점수가 있는 글이 없습니다" in page
    assert "눈에 띄게 늘어난 말이 없습니다" in page
    assert visit(empty).get("/insights/mentions?of=nonsense").status_code == 400
