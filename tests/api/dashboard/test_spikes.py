"""The screen of a spike: every number is that of the list behind it; what is told, is told well."""

from __future__ import annotations

import html
import json
import re
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import delete, select
from starlette.testclient import TestClient

from api.routes.mentions import FilterQuery, to_filter
from listener.detect.expected import frame_of
from listener.runtime.clock import utc_now
from listener.runtime.wiring import Services
from listener.store import buckets, feed, flags, planned, spikes
from listener.store.tables import (
    AlertRow,
    BrandRow,
    CoverageRow,
    DetectorRow,
    MatchRow,
    MentionRow,
    RuleRow,
    SpikeRow,
)
from listener.types import FlagKind

_LINK = re.compile(r'href="(/mentions\?[^"]+)" data-n="(\d+)"')
HOUR = timedelta(hours=1)


def spike(services: Services, dimension: str) -> SpikeRow:
    with services.database.read() as session:
        return next(row for row in spikes.page(session) if row.dimension == dimension)


def links_of(text: str) -> list[tuple[str, int]]:
    return [(html.unescape(url), int(n)) for url, n in _LINK.findall(text)]


def counted(services: Services, url: str) -> int:
    query = {name: values[-1] for name, values in parse_qs(urlsplit(url).query).items()}
    assert query.pop("copies") == "all"
    with services.database.read() as session:
        wanted = to_filter(session, FilterQuery.model_validate(query))
        return feed.count(session, wanted, limit=10_000)


@pytest.mark.parametrize("dimension", ["all", "topic:delivery:complaint", "share:negative"])
def test_every_number_is_that_of_the_list_behind_it(
    client: TestClient, services: Services, dimension: str
) -> None:
    row = spike(services, dimension)
    links = links_of(client.get(f"/spikes/{row.id}").text)
    assert len(links) > 30
    assert max(n for _, n in links) > 20
    assert {url: n for url, n in links} == {url: counted(services, url) for url, _ in links}


def test_the_list_says_the_number_of_the_link(client: TestClient, services: Services) -> None:
    row = spike(services, "complaint")
    for url, n in links_of(client.get(f"/spikes/{row.id}?lang=ko").text)[:6]:
        assert f'id="results">{n:,}건' in client.get(url).text


def test_what_comes_late_is_counted_at_once(client: TestClient, services: Services) -> None:
    row = spike(services, "complaint")

    def told() -> int:
        text = client.get(f"/spikes/{row.id}?lang=ko").text
        found = re.search(r"(\d+)건 모두 보기", text)
        assert found is not None
        return int(found.group(1))

    before = told()
    with services.database.write() as work:
        gone = feed.newest(work.session, _filter(work.session, services, row), limit=3)
        for _, item in gone:
            flags.decide(work.session, item.id, [FlagKind.BOT], now=utc_now())
        work.commit()
    assert told() == before - 3
    text = client.get(f"/spikes/{row.id}?lang=ko").text
    assert "협찬·홍보·자동 반복으로 보여 세지 않았습니다" in text
    assert any("flagged=true" in url and n == 3 for url, n in links_of(text))


def _filter(session: Any, services: Services, row: SpikeRow) -> Any:
    parameters = services.spike_filter(row, now=utc_now())
    return to_filter(session, FilterQuery.model_validate(parameters))


def test_the_cause_stands_first(client: TestClient, services: Services) -> None:
    row = spike(services, "all")
    text = client.get(f"/spikes/{row.id}?lang=ko").text
    driver = text[text.index("무엇이 늘렸나") :]
    first = re.findall(r'<th scope="row">(.*?)</th>', driver, re.S)[:4]
    assert any("배송" in one for one in first), first
    assert "택배사" in text
    assert "<mark" in text  # the phrases in the samples
    assert "경쟁사(달빛초)에서는 늘지 않았습니다" in text
    assert "우연이라면 이 브랜드에서" in text
    english = client.get(f"/spikes/{row.id}?lang=en").text
    assert "speak of delivery" in english
    assert "would be usual at this time" in english


def test_the_expected_line_is_drawn_with_its_band(client: TestClient, services: Services) -> None:
    row = spike(services, "complaint")
    chart = _chart(client.get(f"/spikes/{row.id}").text)
    known = [n for n, value in enumerate(chart["expected"]) if value is not None]
    assert len(known) == len(chart["expected"])
    for n in known:
        assert chart["low"][n] <= chart["expected"][n] <= chart["high"][n]
    assert sum(chart["observed"][chart["from"] :]) > 3 * sum(chart["expected"][chart["from"] :])


def _chart(text: str) -> dict[str, Any]:
    found = re.search(r"data-chart=\"([^\"]+)\"", text)
    assert found is not None
    told: dict[str, Any] = json.loads(html.unescape(found.group(1)))
    return told


def test_a_resolved_spike_keeps_the_line_of_its_time(
    client: TestClient, services: Services
) -> None:
    row = spike(services, "complaint")
    end = utc_now() - timedelta(minutes=10)
    with services.database.write() as work:
        kept = work.session.get_one(SpikeRow, row.id)
        told = services.recount_spike(work.session, kept, now=end)
        frame = frame_of(kept.onset_at, end)
        told["line"]["expected"] = [9.0] * frame.size
        kept.state, kept.resolved_at, kept.explanation = "resolved", end, told
        work.session.execute(delete(DetectorRow))
        work.commit()
    text = client.get(f"/spikes/{row.id}?lang=ko").text
    assert "해소됨" in text
    assert set(_chart(text)["expected"][:-1]) == {9.0}


def test_gaps_are_hatched_and_campaigns_marked(client: TestClient, services: Services) -> None:
    row = spike(services, "complaint")
    with services.database.write() as work:
        planned.create(
            work.session,
            name="가을 세일",
            from_at=row.onset_at - HOUR,
            to_at=row.onset_at + HOUR,
            now=utc_now(),
        )
        kept = work.session.get_one(SpikeRow, row.id)
        kept.onset_at = utc_now() - timedelta(days=5)
        work.session.execute(
            delete(CoverageRow).where(
                CoverageRow.to_at > utc_now() - timedelta(days=2),
                CoverageRow.to_at < utc_now() - 12 * HOUR,
            )
        )
        work.commit()
    text = client.get(f"/spikes/{row.id}?lang=ko").text
    chart = _chart(text)
    assert chart["gaps"]
    assert "빗금은 수집하지 못한 시간입니다" in text
    assert [one["name"] for one in chart["events"]] == ["가을 세일"]
    assert "이 기간의 일정: 가을 세일" in text


def test_a_similar_spike_of_the_past_is_told_with_its_end(
    client: TestClient, services: Services
) -> None:
    row = spike(services, "complaint")
    with services.database.write() as work:
        now = row.onset_at - timedelta(days=20)
        alert = AlertRow(
            brand_id=row.brand_id, state="resolved", severity="high", opened_at=now, updated_at=now
        )
        alert.verdict = "right"
        work.session.add(alert)
        work.session.flush()
        past = SpikeRow(
            brand_id=row.brand_id,
            alert_id=alert.id,
            dimension="complaint",
            state="resolved",
            onset_at=now,
            opened_at=now,
            updated_at=now,
            resolved_at=now + 5 * HOUR,
            expected=2.0,
            observed=40.0,
            score=3.0,
            explanation=dict(row.explanation),
            mention_ids=[],
        )
        work.session.add(past)
        work.commit()
        past_id = past.id
    text = client.get(f"/spikes/{row.id}?lang=ko").text
    assert f'href="/spikes/{past_id}"' in text
    assert "5시간 만에 끝났습니다 (실제 문제로 표시됨)" in text
    assert "5시간 만에 해소" in text
    assert client.get(f"/spikes/{past_id}").status_code == 200  # long past, without a line


def test_competitors_that_rise_as_well_are_told(client: TestClient, services: Services) -> None:
    row = spike(services, "all")
    with services.database.write() as work:
        session = work.session
        rival = session.scalar(select(BrandRow.id).where(BrandRow.competitor.is_(True)))
        assert rival is not None
        own = session.scalars(
            select(MatchRow).where(
                MatchRow.brand_id == row.brand_id, MatchRow.event_at >= row.onset_at
            )
        ).all()
        told = session.scalars(
            select(MentionRow.id).where(MentionRow.id.in_([one.mention_id for one in own]))
        ).all()
        for mention_id in told[:30]:
            at = next(one.event_at for one in own if one.mention_id == mention_id)
            if session.get(MatchRow, (mention_id, rival)) is None:
                session.add(
                    MatchRow(
                        mention_id=mention_id,
                        brand_id=rival,
                        origin="term",
                        spans=[],
                        event_at=at,
                    )
                )
        session.flush()
        buckets.mark_all(session, rival)
        work.commit()
    services.roll_up()
    text = client.get(f"/spikes/{row.id}?lang=ko").text
    assert "같은 시간 경쟁사 달빛초도 늘었습니다(" in text
    theirs = [(url, n) for url, n in links_of(text) if f"brand={rival}" in url]
    assert theirs
    assert all(counted(services, url) == n >= 25 for url, n in theirs)


def test_a_post_that_goes_viral_has_a_page(client: TestClient, services: Services) -> None:
    now = utc_now()
    with services.database.write() as work:
        mention_id = work.session.scalars(select(MentionRow.id).limit(1)).one()
        facts = {"signal": "viral", "mention_id": mention_id, "source": "x"}
        facts |= {"measure": "reactions", "growth": 1240, "per_hour": 310.0, "usual": 12}
        facts |= {"usual_high": 90, "timeline": [[now.isoformat(), 5], [now.isoformat(), 9]]}
        row = SpikeRow(
            brand_id=1,
            dimension=f"viral:{mention_id}",
            state="open",
            onset_at=now - 4 * HOUR,
            opened_at=now - 3 * HOUR,
            updated_at=now,
            expected=12.0,
            observed=1240.0,
            score=1.2,
            explanation={"signal": facts},
            mention_ids=[mention_id],
        )
        work.session.add(row)
        work.commit()
        spike_id = row.id
    text = client.get(f"/spikes/{spike_id}?lang=ko").text
    assert "반응 1,240개를 더 얻었습니다" in text
    assert f'href="/mentions/{mention_id}"' in text
    assert links_of(text) == []


def test_a_new_topic_is_counted_by_its_phrase(client: TestClient, services: Services) -> None:
    now = utc_now().replace(microsecond=0)
    facts = {"signal": "new_topic", "phrase": "택배사", "usual": 0, "usual_days": 30}
    facts |= {"mentions": 50, "authors": 40, "phrases": []}
    with services.database.write() as work:
        row = SpikeRow(
            brand_id=1,
            dimension="new:택배사",
            by="authors",
            state="resolved",
            onset_at=now - 4 * HOUR,
            opened_at=now - 3 * HOUR,
            resolved_at=now - HOUR,
            updated_at=now,
            expected=0.1,
            observed=40.0,
            score=1.2,
            explanation={"signal": facts},
            mention_ids=[],
        )
        work.session.add(row)
        work.commit()
        spike_id = row.id
    text = client.get(f"/spikes/{spike_id}?lang=ko").text
    assert "직전 30일 동안에는 0건이었습니다" in text
    links = links_of(text)
    assert max(n for _, n in links) > 10
    assert {url: n for url, n in links} == {url: counted(services, url) for url, _ in links}


def test_the_page_is_quick(client: TestClient, services: Services) -> None:
    row = spike(services, "all")
    client.get(f"/spikes/{row.id}")
    times = []
    for _ in range(3):
        began = time.process_time()
        assert client.get(f"/spikes/{row.id}").status_code == 200
        times.append(time.process_time() - began)
    assert min(times) < 0.4  # twice what is aimed at: machines differ


# --- the list ------------------------------------------------------------------------------------


def test_an_event_is_one_entry(client: TestClient, services: Services) -> None:
    text = client.get("/spikes?lang=ko").text
    with services.database.read() as session:
        rows = spikes.page(session)
        alerted = [row for row in rows if row.alert_id is not None]
    assert len(alerted) > 1
    assert text.count('<section class="spikerow') == 1 + len(
        {row.alert_id for row in alerted}
    ) - 1 + len({row.id for row in rows if row.alert_id is None and row.state != "open"})
    assert "함께 늘어난 것" in text
    assert "아무도 확인하지 않음" in text


def test_the_list_is_filtered(client: TestClient, services: Services) -> None:
    row = spike(services, "complaint")
    entry = '<section class="spikerow'
    with services.database.read() as session:
        alert = session.get_one(AlertRow, row.alert_id)
    for query, shown in (
        ("state=open", True),
        ("state=resolved", False),
        (f"severity={alert.severity}", True),
        (f"severity={'low' if alert.severity != 'low' else 'high'}", False),
        ("brand=1", True),
        ("brand=2", False),
        ("mine=yes", False),
    ):
        assert (entry in client.get(f"/spikes?{query}").text) is shown, query
    with services.database.write() as work:
        work.session.get_one(AlertRow, row.alert_id).assigned_to = 1
        work.commit()
    text = client.get("/spikes?mine=yes&lang=ko").text
    assert entry in text
    assert "담당 김민아" in text


def test_an_empty_list_says_what_is_watched(
    empty: Services, visit: Callable[[Services], TestClient], services: Services, client: TestClient
) -> None:
    assert "아직 모으는 곳이 없습니다" in visit(empty).get("/spikes?lang=ko").text
    with services.database.write() as work:
        work.session.execute(delete(SpikeRow))
        rules = len(work.session.scalars(select(RuleRow).where(RuleRow.enabled.is_(True))).all())
        work.commit()
    text = client.get("/spikes?lang=ko").text
    assert f"규칙 {rules}개로" in text
    assert "이 조건에 맞는 급증이 없습니다" in client.get("/spikes?state=open&lang=ko").text
