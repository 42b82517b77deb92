from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

import story
from api.dashboard import marks
from listener.pipeline.ingest import Origin
from listener.runtime.wiring import Services
from listener.store import access, brands, spikes, watches
from listener.store.tables import AlertRow, MentionRow, OutboxRow
from listener.types import Aspect, Label, RawItem, Span

Csrf = Callable[..., str]
Visit = Callable[[Services], TestClient]

PATHS = (
    "/",
    "/?range=24h",
    "/?range=28d",
    "/?range=custom&from=2020-01-01&to=2030-01-01",
    "/latest?brand=1",
    "/mentions",
    "/mentions?brand=1&sentiment=negative&complaint=true&topic=delivery&q=배송",
    "/mentions/1",
    "/spikes",
    "/spikes?state=open&brand=1",
    "/spikes/1",
    "/insights",
    "/insights?brand=1&range=7d&measure=nps",
    "/insights/mentions?brand=1&of=all&range=28d",
    "/sources",
    "/sources/1",
    "/sources/4",
    "/brands",
    "/brands/new",
    "/brands/1",
    "/watches/new",
    "/watches/new?source=feed&brand=1",
    "/channels",
    "/models",
    "/calendar",
    "/rules",
    "/rules?brand=1",
    "/rules/new",
    "/rules/1",
    "/settings",
)


class Checker(HTMLParser):
    """Notes what must not be in a page, and what accessible pages need."""

    VOID = frozenset(
        "area base br col embed hr img input link meta source track wbr path rect".split()
    )

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.faults: list[str] = []
        self.ids: set[str] = set()
        self.labels: set[str] = set()
        self.fields: list[tuple[str, dict[str, str | None]]] = []
        self._labelled = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        if tag == "script" and "src" not in given:
            self.faults.append("inline script")
        if tag == "style" or "style" in given:
            self.faults.append(f"inline style at {tag}")
        self.faults += [f"{name} at {tag}" for name in given if name.startswith("on")]
        for name in ("href", "src", "action", "formaction"):
            if (given.get(name) or "").lower().startswith(("javascript:", "data:")):
                self.faults.append(f"{name}={given[name]}")
        if given.get("id"):
            if given["id"] in self.ids:
                self.faults.append(f"id {given['id']} twice")
            self.ids.add(str(given["id"]))
        if tag == "label":
            self._labelled += 1
            self.labels.add(str(given.get("for")))
        shown = given.get("type") not in ("hidden", "submit")
        if tag in ("input", "select", "textarea") and shown and not self._labelled:
            self.fields.append((tag, given))
        if tag == "img" and "alt" not in given:
            self.faults.append("img without alt")

    def handle_endtag(self, tag: str) -> None:
        if tag == "label":
            self._labelled -= 1


def check(text: str) -> Checker:
    checker = Checker()
    checker.feed(text)
    for tag, given in checker.fields:
        if given.get("id") not in checker.labels and "aria-label" not in given:
            checker.faults.append(f"{tag} {given.get('name')} without label")
    return checker


@pytest.mark.parametrize("language", ["ko", "en"])
def test_every_page_answers_in_both_languages_and_without_inline_code(
    client: TestClient, language: str
) -> None:
    for path in PATHS:
        mark = "&" if "?" in path else "?"
        response = client.get(f"{path}{mark}lang={language}")
        assert response.status_code == 200, path
        assert check(response.text).faults == [], path
        if path != "/latest?brand=1":
            assert f'<html lang="{language}"' in response.text, path
            menu = "수집 현황" if language == "ko" else "Alert channels"
            assert menu in response.text, path
        visible = re.sub(r"<[^>]+>", " ", response.text)
        assert "{{" not in visible.replace("{{7*7}}", ""), path
        assert "None" not in visible, path


def test_english_pages_hold_no_korean_of_ours(client: TestClient) -> None:
    for path in (
        *(
            "/channels",
            "/settings",
            "/brands/new",
            "/watches/new?source=feed",
            "/sources",
        ),
        *("/rules", "/rules/new?brand=1", "/rules/2"),
        *("/watches/new", "/watches/1/edit", "/start", "/connections", "/inbound", "/inbound/new"),
    ):
        text = client.get(f"{path}{'&' if '?' in path else '?'}lang=en").text
        visible = re.sub(r"<option[^>]*>[^<]*</option>|<[^>]+>", " ", text)
        for known in (
            "한국어",
            "새벽결",
            "달빛초",
            "뷰티뉴스",
            "화장품 포럼",
            "쇼핑몰 리뷰",
            "마케팅팀 알림",
            "김민아",
        ):
            visible = visible.replace(known, "")
        assert not re.findall("[가-힣]+", visible), path


def test_posts_are_text_never_markup(client: TestClient, services: Services) -> None:
    with services.database.read() as session:
        hostile = session.scalar(select(MentionRow.id).where(MentionRow.external_id == "hostile"))
    for path in ("/mentions?q=alert", f"/mentions/{hostile}", "/", "/latest?brand=1"):
        text = client.get(path).text
        assert "&lt;script&gt;alert(" in text, path
        assert "<script>alert" not in text
        assert "onerror=alert(1)>" not in text
        assert "javascript:alert" not in text, "a link that runs code"
        assert "{{7*7}}" in text
        assert check(text).faults == [], path


def test_what_is_typed_comes_back_as_text(client: TestClient) -> None:
    evil = '"><script>alert(1)</script>'
    for path in (
        f"/mentions?q={evil}",
        f"/mentions?author={evil}",
        f"/mentions?source={evil}",
        f"/mentions?brand={evil}",
        f"/mentions?since={evil}",
        f"/?brand={evil}&range={evil}",
        f"/login?next={evil}",
        f"/watches/new?source=feed&brand={evil}",
        f"/spikes?brand={evil}&before={evil}",
    ):
        response = client.get(path)
        assert response.status_code == 200, path
        assert "<script>alert" not in response.text, path


# --- who may come in -----------------------------------------------------------------------------


def test_strangers_are_led_to_the_login_and_back(client: TestClient) -> None:
    client.cookies.clear()
    for path in PATHS[1:]:
        response = client.get(path, follow_redirects=False)
        assert response.status_code == 303, path
        assert response.headers["location"].startswith("/login?next=%2F"), path
    response = client.get("/latest?brand=1", headers={"hx-request": "true"})
    assert response.status_code == 401
    assert response.headers["hx-redirect"].startswith("/login")


def test_a_link_waits_for_its_button(empty: Services, visit: Visit) -> None:
    with empty.database.write() as work:
        user = access.find_user(work.session, story.EMAIL)
        assert user is not None
        token = access.add_login_link(work.session, user.id, now=empty.clock())
        work.commit()
    client = visit(empty)
    client.cookies.clear()
    for _ in range(3):  # scanners look at it
        page = client.get(f"/login/link?token={token}")
        assert page.status_code == 200
        assert f'value="{token}"' in page.text
        assert "set-cookie" not in page.headers
    assert client.post("/login/link", data={"token": token}).url.path == "/"
    client.cookies.clear()
    again = client.post("/login/link", data={"token": token})
    assert again.status_code == 401
    assert "이미 쓰였거나" in again.text


def test_a_wrong_password_keeps_the_address(client: TestClient) -> None:
    client.cookies.clear()
    response = client.post("/login", data={"email": "mina@example.com", "password": "no"})
    assert response.status_code == 401
    assert 'value="mina@example.com"' in response.text
    assert "맞지 않습니다" in response.text


def test_every_form_needs_its_token(client: TestClient, services: Services) -> None:
    forms = [
        ("/brands/new", {"name": "무단"}),
        ("/brands/1/archive", {}),
        ("/watches/new", {"source": "feed", "p.url": "https://a.example"}),
        ("/sources/1/remove", {}),
        ("/sources/1/pause", {}),
        ("/channels", {"name": "x", "address": "https://a.example"}),
        ("/channels/1/remove", {}),
        ("/spikes/1/acknowledge", {}),
        ("/alerts/1/acknowledge", {}),
        ("/rules/new", {"brand": "1", "signal": "complaints"}),
        ("/rules/hint", {}),
        ("/rules/1/remove", {}),
        ("/backtests", {"rule": "1"}),
        ("/calendar", {"name": "x", "from_day": "2031-01-01"}),
        ("/settings/keys", {"name": "x"}),
        ("/settings/users", {"email": "x@example.com"}),
        ("/settings/password", {"new": "long enough password"}),
        ("/settings/language", {"language": "en"}),
        ("/messages/1/retry", {}),
    ]
    for path, fields in forms:
        for token in ({}, {"csrf": "wrong"}):
            response = client.post(path, data=fields | token)
            assert response.status_code == 403, path
            assert "너무 오래되었거나" in response.text
    with services.database.read() as session:
        assert len(brands.listing(session)) == 2
        assert len(watches.listing(session)) == 4
        assert access.list_keys(session) == []


def test_keys_open_no_pages(client: TestClient, services: Services) -> None:
    with services.database.write() as work:
        _key, token = access.add_key(
            work.session, "tool", scopes=(access.Scope.ADMIN,), now=services.clock()
        )
        work.commit()
    client.cookies.clear()
    response = client.get("/settings", headers={"authorization": f"Bearer {token}"})
    assert response.status_code == 403


def test_errors_are_pages_for_browsers_and_problems_for_tools(client: TestClient) -> None:
    for path in ("/mentions/999999", "/spikes/999999", "/sources/999", "/nowhere"):
        page = client.get(path)
        assert page.status_code == 404, path
        assert "찾을 수 없습니다" in page.text
    problem = client.get("/mentions/999999", headers={"accept": "application/json"})
    assert problem.headers["content-type"] == "application/problem+json"
    assert client.get("/mentions/zero").status_code == 400


# --- what pages tell -----------------------------------------------------------------------------


def test_overview_tells_the_spike_the_gap_and_the_numbers(
    client: TestClient, services: Services
) -> None:
    text = client.get("/").text
    assert "급증 진행 중" in text
    assert "수집되지 않은 시간" in text
    assert "뷰티뉴스" in text
    with services.database.read() as session:
        row = next(r for r in spikes.page(session) if r.state == "open" and r.alert_id)
    assert f'href="/spikes/{row.id}"' in text or "/spikes/" in text
    rival = client.get("/?brand=2").text
    assert "<h1>달빛초" in rival
    assert "경쟁사" in rival


def test_filters_live_in_the_address(client: TestClient) -> None:
    everything = client.get("/mentions?brand=1").text
    negative = client.get("/mentions?brand=1&sentiment=negative&topic=delivery").text

    def total(text: str) -> int:
        found = re.search(r'id="results">([\d,]+)건', text)
        assert found is not None
        return int(found.group(1).replace(",", ""))

    assert 0 < total(negative) < total(everything)
    assert '<option value="negative" selected>' in negative
    assert '<option value="delivery" selected>' in negative
    assert "/feeds/mentions.rss?brand=1&amp;sentiment=negative&amp;topic=delivery" in negative
    assert "l-positive" not in negative.split('class="mentions"')[1]
    assert client.get("/feeds/mentions.rss?brand=1&sentiment=negative").status_code == 200


def test_more_goes_on_where_the_page_ended(client: TestClient) -> None:
    seen: list[str] = []
    path = "/mentions?brand=1&complaint=true&copies=all"
    while path:
        text = client.get(path, headers={"hx-request": "true"}).text
        assert "<html" not in text
        seen += re.findall(r'id="m(\d+)"', text)
        found = re.search(r'hx-get="([^"]+)"', text)
        path = found.group(1).replace("&amp;", "&") if found else ""
    assert len(seen) == len(set(seen))
    total = re.search(
        r'id="results">([\d,]+)건', client.get("/mentions?brand=1&complaint=true").text
    )
    assert total is not None
    assert len(seen) == int(total.group(1).replace(",", ""))


def test_copies_are_grouped_and_flags_shown_hidden_and_changed(
    client: TestClient, services: Services, csrf: Callable[[TestClient, str], str]
) -> None:
    press = "하늘이 부산에 세 번째 물류센터를 열고 다음 날 아침까지 배송하겠다고 밝혔습니다."
    paid = "하늘 신발 후기예요. 업체로부터 제품을 무상으로 제공받아 썼어요."
    texts = [(f"copy{n}", press) for n in range(3)] + [("paid", paid)]
    items = [RawItem(external_id=id_, text=text) for id_, text in texts]
    with services.database.read() as session:
        (brand, *_) = brands.listing(session)
    services.ingest.items(items, Origin(source="plaza", brand=brand), now=services.clock())
    services.roll_up()
    with services.database.read() as session:
        id_of = dict(
            session.execute(
                select(MentionRow.external_id, MentionRow.id).where(MentionRow.source == "plaza")
            ).all()
        )

    def listed(path: str) -> tuple[set[int], str]:
        text = client.get(path).text
        return {int(n) for n in re.findall(r'id="m(\d+)"', text)}, text

    grouped, text = listed("/mentions?source=plaza")
    assert grouped == {id_of["copy0"], id_of["paid"]}
    assert "+ 같은 글 2건" in text
    assert "협찬·광고 표시" in text
    assert len(listed("/mentions?source=plaza&copies=all")[0]) == 4
    story = re.search(r"/mentions\?story=\d+", text)
    assert story is not None
    assert len(listed(story[0])[0]) == 3
    hidden, _ = listed("/mentions?source=plaza&flagged=false")
    assert hidden == {id_of["copy0"]}

    page = f"/mentions/{id_of['paid']}"
    assert client.post(f"{page}/flags", data={"csrf": csrf(client, page)}).is_success
    assert "사람이 아니라고 표시했습니다" in client.get(page).text
    assert listed("/mentions?source=plaza&flagged=true")[0] == set()

    for unit in ("stories", "authors"):
        assert 'aria-current="true"' in client.get(f"/?count={unit}").text


def test_days_are_those_of_the_workspace(client: TestClient, services: Services) -> None:
    day = (services.clock() - timedelta(days=2)).date()
    text = client.get(f"/mentions?since={day}&until={day}").text
    assert f'name="since" value="{day}"' in text
    assert f'name="until" value="{day}"' in text
    for at in re.findall(r'<time datetime="([^"]+)"', text):
        assert datetime.fromisoformat(at).astimezone(ZoneInfo("Asia/Seoul")).date() == day


def test_a_bad_filter_is_told_at_its_field(client: TestClient) -> None:
    text = client.get("/mentions?since=gestern&sentiment=angry&rating_lte=lots").text
    assert 'id="since-error"' in text
    assert "2026-11-21처럼" in text
    assert "조건을 확인해 주세요" in text


def test_clauses_are_shown_with_what_they_say(client: TestClient, services: Services) -> None:
    two = RawItem(
        external_id="clauses",
        title="하늘 신발",
        text="하늘 배송은 정말 빠른데 품질이 별로예요",
        published_at=services.clock(),
    )
    with services.database.read() as session:
        (brand, *_) = brands.listing(session)
    services.ingest.items([two], Origin(source="plaza", brand=brand), now=services.clock())
    with services.database.read() as session:
        id_ = session.scalar(select(MentionRow.id).where(MentionRow.external_id == "clauses"))

    text = client.get(f"/mentions/{id_}").text

    assert re.findall(r'class="clause s-(\w+)"', text) == ["positive", "negative"]
    assert re.findall(r'class="says"><span>(\S+) ', text) == ["배송", "품질"]
    shown = re.search(r'class="fulltext"[^>]*>(.*?)</p>', text)
    assert shown is not None
    without = re.sub(r'<span class="says">.*?</span></span></span>', "", shown[1])
    assert re.sub(r"<[^>]+>", "", without) == two.text


def test_clauses_keep_the_marks_of_terms() -> None:
    text = "하늘 배송 빠른데 품질 별로"
    spans = [Span("text", 0, 2, "하늘"), Span("title", 0, 2, "하늘"), Span("text", 4, 7, "송 빠")]
    aspects = [
        Aspect("delivery", 3 + 3, 3 + 10, 0.5, Label.POSITIVE),
        Aspect("quality", 3 + 10, 3 + 99, -0.5, Label.NEGATIVE),
        Aspect("price", 3 + 10, 3 + 99, -0.5, Label.NEGATIVE),
        Aspect("service", 0, 2, 0.5, Label.POSITIVE),  # in the title
    ]

    found = marks.clauses(text, spans, aspects, before=3)

    assert "".join(piece.text for one in found for piece in one.pieces) == text
    assert [one.said for one in found] == [
        (),
        [("delivery", "positive")],
        [("quality", "negative"), ("price", "negative")],
    ]
    assert [(p.text, p.mark) for one in found for p in one.pieces if p.mark] == [
        ("하늘", "하늘"),
        ("송 빠", "송 빠"),
    ]
    assert marks.clauses(None, spans, aspects) == []


def test_edits_and_marks_are_shown(client: TestClient, services: Services) -> None:
    with services.database.read() as session:
        edited = session.scalar(select(MentionRow.id).where(MentionRow.external_id == "edited"))
    text = client.get(f"/mentions/{edited}").text
    assert "수정 기록" in text
    assert "<del>" in text
    assert "<ins>" in text
    assert re.search(r"<mark[^>]*>새벽결</mark>", text)
    assert "data-chart" in text  # engagement was read twice


def test_a_spike_answers_on_one_screen(client: TestClient, services: Services) -> None:
    with services.database.read() as session:
        row = next(r for r in spikes.page(session) if r.dimension == "topic:delivery:complaint")
        assert row.alert_id is not None
    text = client.get(f"/spikes/{row.id}").text
    for word in (
        "새벽결 · 배송 불만",
        "얼마나 드문가",
        "두드러진 표현",
        "대표 글",
        "처음 올라온 글",
        "평소",
    ):
        assert word in text
    assert "/mentions?brand=1&amp;topic=delivery&amp;complaint=true&amp;own=false" in text
    english = client.get(f"/spikes/{row.id}?lang=en").text
    assert "complaints about delivery, " in english
    assert "once in 10 years" in english or "about once" in english


def test_acknowledging_is_kept(client: TestClient, services: Services, csrf: Csrf) -> None:
    with services.database.read() as session:
        row = next(r for r in spikes.page(session) if r.alert_id)
    done = client.post(f"/spikes/{row.id}/acknowledge", data={"csrf": csrf(client)})
    assert done.status_code == 200
    assert "김민아님이" in done.text
    with services.database.read() as session:
        alert = session.get(AlertRow, row.alert_id)
        assert alert is not None
        assert alert.acknowledged_at is not None


def test_trouble_is_told_with_what_to_do(client: TestClient) -> None:
    text = client.get("/sources").text
    assert "연결 안 됨" in text
    assert "알아서 다시 시도합니다" in text
    one = client.get("/sources/4").text
    assert "forum.example does not answer" in one
    assert "계속되는 중" in one
    assert "다시 수집되면" in one


# --- forms ---------------------------------------------------------------------------------------


def test_a_brand_is_tried_corrected_and_saved(
    client: TestClient, services: Services, csrf: Csrf
) -> None:
    token = csrf(client)
    words = {"csrf": token, "name": "달빛", "aliases": "Dalbit\n", "action": "try"}
    tried = client.post("/brands/new", data=words)
    assert tried.status_code == 200
    assert "이 브랜드의 글입니다" in tried.text
    assert 'value="달빛"' in tried.text
    refused = client.post("/brands/new", data=words | {"action": "save", "name": ""})
    assert refused.status_code == 422
    assert 'id="name-error"' in refused.text
    assert "Dalbit" in refused.text
    taken = client.post("/brands/new", data=words | {"action": "save", "name": "새벽결"})
    assert "같은 이름이 이미 있습니다" in taken.text
    short = client.post("/brands/new", data=words | {"action": "save", "aliases": "달"})
    assert "한 글자라" in short.text
    saved = client.post("/brands/new", data=words | {"action": "save"}, follow_redirects=False)
    assert saved.status_code == 303
    assert saved.headers["location"].startswith("/watches/new?brand=")
    with services.database.read() as session:
        assert brands.find(session, "달빛").aliases == ("Dalbit",)


def test_a_brand_is_changed_archived_and_restored(
    client: TestClient, services: Services, csrf: Csrf
) -> None:
    token = csrf(client)
    form = {"csrf": token, "name": "새벽결", "aliases": "Saebyeok, 새결", "none_terms": "결심"}
    assert client.post("/brands/1", data=form).url.path == "/brands"
    with services.database.read() as session:
        brand = brands.get(session, 1)
    assert brand.aliases == ("Saebyeok", "새결")
    assert brand.none_terms == ("결심",)
    client.post("/brands/1/archive", data={"csrf": token})
    assert "보관됨" in client.get("/brands").text
    client.post("/brands/1/restore", data={"csrf": token})
    assert "보관됨" not in client.get("/brands").text


def test_a_watch_is_tested_then_saved(client: TestClient, services: Services, csrf: Csrf) -> None:
    form = {
        "csrf": csrf(client),
        "source": "feed",
        "brand": "1",
        "match": "terms",
        "every": "15",
        "label": "새 피드",
    }
    missing = client.post("/watches/new", data=form | {"action": "save"})
    assert missing.status_code == 422
    assert 'id="p.url-error"' in missing.text
    assert 'value="새 피드"' in missing.text
    often = client.post(
        "/watches/new",
        data=form | {"p.url": "https://a.example/rss", "every": "0.01", "action": "save"},
    )
    assert 'id="every-error"' in often.text
    whole = client.post(
        "/watches/new",
        data=form | {"p.url": "https://a.example/rss", "match": "all", "brand": ""},
    )
    assert 'id="brand-error"' in whole.text
    tested = client.post(
        "/watches/new", data=form | {"p.url": "https://a.example/rss", "action": "preview"}
    )
    assert tested.status_code == 200
    found = re.search(r'hx-get="(/watches/preview/\d+)"', tested.text)
    assert found is not None
    waiting = client.get(found.group(1), headers={"hx-request": "true"})
    assert "읽는 중" in waiting.text
    saved = client.post(
        "/watches/new", data=form | {"p.url": "https://a.example/rss", "action": "save"}
    )
    assert saved.url.path == "/sources"
    assert "새 피드" in saved.text
    assert "첫 수집 대기" in saved.text


def test_a_test_says_when_no_collector_runs(
    client: TestClient, services: Services, csrf: Csrf, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = {"csrf": csrf(client), "source": "feed", "match": "terms", "action": "preview"}
    page = client.post("/watches/new", data=form | {"p.url": "https://a.example/rss"}).text
    found = re.search(r'hx-get="(/watches/preview/\d+)"', page)
    assert found is not None
    later = client.app.state.services  # type: ignore[attr-defined]
    now = later.clock() + timedelta(seconds=16)
    object.__setattr__(later, "clock", lambda: now)
    answer = client.get(found.group(1), headers={"hx-request": "true"}).text
    assert "수집기가 실행되고 있지 않아" in answer
    assert "hx-get" not in answer  # it stops asking


def test_watches_are_paused_collected_and_removed(
    client: TestClient, services: Services, csrf: Csrf
) -> None:
    token = {"csrf": csrf(client)}
    assert "일시 중지" in client.post("/sources/1/pause?back=list", data=token).text
    assert "다시 시작" in client.get("/sources/1").text
    client.post("/sources/1/resume", data=token)
    client.post("/sources/1/collect", data=token)
    with services.database.read() as session:
        row = watches.get(session, 1)
        assert row.enabled
        assert row.next_run_at <= services.clock()
    client.post("/sources/1/remove", data=token)
    assert client.get("/sources/1").status_code == 404


def test_a_channel_shows_its_secret_once(
    client: TestClient, services: Services, csrf: Csrf
) -> None:
    token = csrf(client)
    made = client.post(
        "/channels",
        data={"csrf": token, "name": "홍보팀", "address": "https://hooks.example/pr"},
    )
    found = re.search(r"whsec_[A-Za-z0-9+/=]+", made.text)
    assert found is not None
    assert found.group() not in client.get("/channels").text
    inside = client.post(
        "/channels", data={"csrf": token, "name": "안", "address": "http://127.0.0.1/x"}
    )
    assert inside.status_code == 422
    assert 'id="address-error"' in inside.text
    assert "내부 네트워크" in inside.text
    sent = client.post("/channels/1/test", data={"csrf": token})
    assert "시험 알림을 보냅니다" in sent.text


def test_a_message_that_was_given_up_is_sent_again(
    client: TestClient, services: Services, csrf: Csrf
) -> None:
    with services.database.write() as work:
        message = work.session.scalars(select(OutboxRow)).first()
        assert message is not None
        message.state = "dead"
        work.commit()
    client.post(f"/messages/{message.id}/retry", data={"csrf": csrf(client), "spike": "1"})
    with services.database.read() as session:
        again = session.get(OutboxRow, message.id)
        assert again is not None
        assert again.state == "pending"


def test_keys_passwords_languages_and_people(
    client: TestClient, services: Services, csrf: Csrf
) -> None:
    token = csrf(client)
    made = client.post("/settings/keys", data={"csrf": token, "name": "도구", "scope": "read"})
    key = re.search(r"lsn_[A-Za-z0-9_-]{20,}", made.text)
    assert key is not None
    assert key.group() not in client.get("/settings").text
    tool = TestClient(client.app, headers={"x-api-key": key.group()})
    assert tool.get("/api/v1/mentions?limit=1").status_code == 200
    client.post("/settings/keys/1/revoke", data={"csrf": token})
    assert tool.get("/api/v1/mentions?limit=1").status_code == 401

    short = client.post("/settings/password", data={"csrf": token, "new": "short", "again": "x"})
    assert 'id="new-error"' in short.text
    changed = client.post(
        "/settings/password",
        data={"csrf": token, "new": story.PASSWORD, "again": story.PASSWORD},
    )
    assert changed.status_code == 200
    token = csrf(client)  # a new session
    wrong = client.post(
        "/settings/password",
        data={
            "csrf": token,
            "current": "no",
            "new": "another password",
            "again": "another password",
        },
    )
    assert 'id="current-error"' in wrong.text

    assert 'lang="ko"' in client.get("/").text
    english = client.post("/settings/language", data={"csrf": token, "language": "en"})
    assert '<html lang="en"' in english.text
    invited = client.post("/settings/users", data={"csrf": token, "email": "jun@example.com"})
    assert "/login/link?token=" in invited.text
    assert "jun@example.com" in invited.text
    client.post("/settings/users/1/disable", data={"csrf": token})  # not oneself
    assert client.get("/settings").status_code == 200

    client.post("/logout", data={"csrf": token})
    login = client.post("/login", data={"email": story.EMAIL, "password": story.PASSWORD})
    assert login.url.path == "/"


# --- empty ---------------------------------------------------------------------------------------


def test_an_empty_install_leads_to_the_first_mention(
    empty: Services, visit: Visit, csrf: Csrf
) -> None:
    client = visit(empty)
    assert 'href="/brands/new"' in client.get("/").text
    for path in (
        "/mentions",
        "/spikes",
        "/sources",
        "/brands",
        "/channels",
        "/calendar",
        "/settings",
    ):
        response = client.get(path)
        assert response.status_code == 200, path
        assert check(response.text).faults == [], path
    form = {"csrf": csrf(client), "name": "하늘", "action": "save"}
    second = client.post("/brands/new", data=form)
    assert second.url.path == "/watches/new"
    assert "어디에서 모을까요" in second.text
    assert "/watches/new?source=feed&amp;brand=1" in second.text
    assert 'href="/watches/new?brand=1"' in client.get("/").text
    client.post(
        "/watches/new",
        data=form | {"source": "feed", "p.url": "https://a.example/rss", "match": "terms"},
    )
    assert "<h1>하늘" in client.get("/").text
