"""The source page: by brand, worst first; one cause once; gaps with what becomes of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from starlette.testclient import TestClient

from listener.runtime.clock import utc_now
from listener.runtime.wiring import Services
from listener.store import channels, gaps, ratings, watches
from listener.store.tables import BackfillRow, NoticeRow, WatchRow
from listener.types import Gap, GapReason, MatchMode, RatingSnapshot

Csrf = Callable[..., str]
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def fail_together(services: Services, count: int) -> list[int]:
    """So many watches of one shop that does not answer."""
    now = utc_now()
    ids = []
    with services.database.write() as work:
        brand_id = watches.listing(work.session)[0].brand_id
        for n in range(count):
            row = watches.create(
                work.session,
                source="reviews",
                params={"url": f"https://down.example/p/{n}"},
                match=MatchMode.ALL,
                every=HOUR,
                brand_id=brand_id,
                label=f"쿠션 {n}",
                now=now - DAY,
            )
            row.health, row.failures, row.health_since = "unavailable", 4, now - 3 * HOUR
            row.next_run_at = now + HOUR
            ids.append(row.id)
        work.commit()
    return ids


def test_one_cause_is_told_once(client: TestClient, services: Services) -> None:
    ids = fail_together(services, 18)
    text = client.get("/sources").text
    assert text.count("<strong>웹 페이지 리뷰 · down.example: 연결 안 됨</strong>") == 1
    assert "외 14곳" in text
    assert "웹 페이지 리뷰 · 18곳" in text
    assert text.count(f'href="/sources/{ids[0]}"') == 2, "in the warning and in its bundle"
    assert text.index("down.example") < text.index("뷰티뉴스")
    front = client.get("/").text
    assert "down.example: 연결 안 됨</strong> (18곳)" in front


def test_a_passing_failure_is_no_warning(client: TestClient) -> None:
    assert 'class="trouble' not in client.get("/").text
    assert "아직 할 일은 없습니다" in client.get("/sources").text


def test_gaps_tell_what_becomes_of_them(client: TestClient, services: Services) -> None:
    now = utc_now()
    with services.database.write() as work:
        session = work.session
        holes = [
            Gap(from_at=now - 9 * DAY, to_at=now - 8 * DAY, why=GapReason.PAGE_CAP),
            Gap(from_at=now - 5 * DAY, to_at=now - 4 * DAY, why=GapReason.WINDOW),
            Gap(from_at=now - 3 * DAY, to_at=now - 2 * DAY, why=GapReason.BUDGET),
        ]
        gaps.record(session, 1, None, holes, now=now)
        by_why = {gap.why: gap for gap in gaps.listing(session, watch_ids=[1])}
        filled, filling = by_why["budget"], by_why["page-cap"]
        gaps.fill(session, filled.id, now=now)
        session.add(
            BackfillRow(
                watch_id=1,
                gap_id=filling.id,
                from_at=filling.to_at,
                to_at=filling.from_at,
                reached_at=filling.from_at + 6 * HOUR,
                next_run_at=now,
                created_at=now,
            )
        )
        work.commit()
    text = client.get("/sources/1").text
    assert "나중에 채움" in text
    assert "더 이상 보여 주지 않아 채울 수 없습니다" in text
    assert "채우는 중" in text
    assert '<span class="small">75%</span>' in text
    english = client.get("/sources/1?lang=en").text
    assert "It cannot be filled" in english


def test_averages_and_notices_are_on_the_page(client: TestClient, services: Services) -> None:
    now = utc_now()
    with services.database.write() as work:
        for day in range(5):
            app = RatingSnapshot(
                subject="1",
                title="새벽결 앱",
                average=4.5 - day / 10,
                count=100 + day,
                rating_min=1,
                rating_max=5,
            )
            ratings.record(work.session, 1, [app], now=now - (5 - day) * DAY)
        work.session.add(
            NoticeRow(
                key="x||blocked",
                source="x",
                cause="blocked",
                outcome="blocked",
                watch_ids=[1],
                state="recovered",
                since=now - 2 * DAY,
                opened_at=now - 2 * DAY,
                told_at=now,
                ended_at=now - DAY,
            )
        )
        work.commit()
    for path in ("/sources/1", "/"):
        text = client.get(path).text
        assert "새벽결 앱" in text
        assert "★ 4.10" in text
        assert "▼ 0.40" in text
    assert "복구됨" in client.get("/sources/1").text
    assert "복구됨" in client.get("/sources").text
    assert "알린 문제" not in client.get("/sources/2").text


def test_a_suspect_watch_can_be_taken_for_normal(
    client: TestClient, services: Services, csrf: Csrf
) -> None:
    assert "이대로가 정상" not in client.get("/sources/1").text
    with services.database.write() as work:
        row = work.session.get_one(WatchRow, 1)
        row.health, row.failures, row.profile = "suspect", 2, {"runs": 900, "news": 3.0}
        work.commit()
    assert "이대로가 정상</button>" in client.get("/sources/1").text
    done = client.post("/sources/1/accept", data={"csrf": csrf(client)})
    assert "정상으로 보고 다시 배웁니다" in done.text
    with services.database.read() as session:
        assert session.get_one(WatchRow, 1).profile == {}


def test_what_was_used_is_told(client: TestClient) -> None:
    text = client.get("/sources/1").text
    assert "사용량" in text
    assert "이번 달" in text


def test_a_channel_may_leave_notices_out(
    client: TestClient, services: Services, csrf: Csrf
) -> None:
    done = client.post("/channels/1/wants", data={"csrf": csrf(client), "wants": "alerts"})
    assert '<option value="alerts" selected>' in done.text
    client.post("/channels/1/wants", data={"csrf": csrf(client), "wants": "nonsense"})
    with services.database.read() as session:
        assert channels.get(session, 1).wants == "alerts"
