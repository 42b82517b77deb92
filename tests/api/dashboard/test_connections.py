"""The pages of connections: secrets are typed and never shown, bars tell what was used."""

from __future__ import annotations

from collections.abc import Callable

from starlette.testclient import TestClient

from listener.runtime.wiring import Services
from listener.store import watches
from listener.types import MatchMode

Csrf = Callable[..., str]
Visit = Callable[[Services], TestClient]
SECRET = "AAAAAAAAAAAAAAAAAAAAAsecretofthetests1"


def add(client: TestClient, csrf: Csrf, **fields: str) -> object:
    token = csrf(client)
    given = {"source": "x", "name": "홍보팀", "c.bearer_token": SECRET, "csrf": token, **fields}
    return client.post("/connections", data=given)


def test_a_connection_is_added_shown_changed_and_removed(
    empty: Services, visit: Visit, csrf: Csrf
) -> None:
    client = visit(empty)
    assert "아직 연결이 없습니다" in client.get("/connections").text
    assert "X(트위터)" in client.get("/connections/new").text
    assert 'type="password"' in client.get("/connections/new?source=x").text
    page = add(client, csrf, budget_usd="50", budget_calls="1,000")
    assert "홍보팀" in page.text  # type: ignore[attr-defined]
    empty.net._ledger.spend(  # type: ignore[union-attr]
        "x|1", {"calls": 1, "post": 100, "user": 80}, now=empty.clock()
    )
    for path in ("/connections", "/connections/1"):
        text = client.get(path).text
        assert "$1.30" in text
        assert "$50.00" in text
        assert SECRET not in text
    token = csrf(client)
    changed = {"name": "새 이름", "budget_usd": "", "c.bearer_token": "", "csrf": token}
    assert "새 이름" in client.post("/connections/1", data=changed).text
    assert empty.connections.connection("x", 1).credentials == {"bearer_token": SECRET}
    assert empty.connections.facts(1).budget_micro_usd is None
    client.post("/connections/1/remove", data={"csrf": csrf(client)})
    assert "아직 연결이 없습니다" in client.get("/connections").text


def test_what_is_wrong_stands_beside_its_field(empty: Services, visit: Visit, csrf: Csrf) -> None:
    client = visit(empty)
    page = add(client, csrf, name="", budget_usd="많이", budget_calls="x", base_url="ftp://a")
    assert page.status_code == 422  # type: ignore[attr-defined]
    text: str = page.text  # type: ignore[attr-defined]
    assert all(f'id="{name}-error"' in text for name in ("name", "budget_usd", "budget_calls"))
    assert SECRET not in text
    text = add(client, csrf, base_url="http://10.0.0.7").text  # type: ignore[attr-defined]
    assert "내부 네트워크" in text
    assert SECRET not in text


def test_a_connection_in_use_stays(empty: Services, visit: Visit, csrf: Csrf) -> None:
    client = visit(empty)
    add(client, csrf)
    with empty.database.write() as work:
        watches.create(
            work.session,
            source="x",
            params={"query": "하늘"},
            match=MatchMode.TERMS,
            every=empty.registry.spec("x").every,
            connection_id=1,
            now=empty.clock(),
        )
        work.commit()
    text = client.post("/connections/1/remove", data={"csrf": csrf(client)}).text
    assert "수집에 쓰이는 연결은 지울 수 없습니다" in text


def test_a_test_is_asked_for_and_told(empty: Services, visit: Visit, csrf: Csrf) -> None:
    client = visit(empty)
    add(client, csrf)
    page = client.post("/connections/1/test", data={"csrf": csrf(client)})
    assert "/connections/test/1" in page.text
    assert "시험하는 중" in client.get("/connections/test/1").text


def test_the_pages_speak_english_too(empty: Services, visit: Visit) -> None:
    client = visit(empty)
    assert "There is no connection yet" in client.get("/connections?lang=en").text
