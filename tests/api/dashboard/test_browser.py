"""Walks the dashboard in a real Chromium, as a newcomer does, and looks for what a parser cannot
see.
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from listener.runtime.tasks import answer_job
from listener.runtime.wiring import Services, build
from listener.store import brands, rules, watches
from webserver import Play, WebServer

playwright = pytest.importorskip("playwright.sync_api")

# conftest.py is no module that can be imported by name: tests/ has no packages.
_SPEC = importlib.util.spec_from_file_location(
    "dashboard_conftest", Path(__file__).with_name("conftest.py")
)
assert _SPEC is not None
assert _SPEC.loader is not None
_conftest: Any = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_conftest)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        _conftest.chromium() is None, reason="there is no Chromium; tools/browser.sh installs it"
    ),
]

Serve = Callable[[Services], Any]

RSS = """<?xml version="1.0"?><rss version="2.0"><channel><title>t</title><link>http://a/</link>
<description>d</description>
<item><guid>1</guid><title>하늘빛 배송</title><link>http://a/1</link>
<description>하늘빛 배송이 너무 늦어요 &lt;script&gt;alert(1)&lt;/script&gt;</description></item>
<item><guid>2</guid><title>날씨</title><link>http://a/2</link><description>맑음</description></item>
</channel></rss>"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """The browser."""
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=_conftest.chromium(), args=list(_conftest.FLAGS)
        )
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Any) -> Iterator[Callable[..., Any]]:
    """A page of its own whose console must stay silent."""
    opened: list[tuple[Any, list[str]]] = []

    def make(**options: Any) -> Any:
        context = chromium.new_context(**({"locale": "ko-KR"} | options))
        page = context.new_page()
        said: list[str] = []
        page.on(
            "console",
            lambda m: said.append(m.text) if m.type in ("error", "warning") else None,
        )
        page.on("pageerror", lambda error: said.append(str(error)))
        opened.append((context, said))
        return page

    yield make
    for context, said in opened:
        context.close()
        assert said == []


def _pixels(page: Any) -> int:
    """How many colours the first chart shows."""
    found: int = page.evaluate(
        """() => {
          const canvas = document.querySelector("[data-chart] canvas");
          const {width, height} = canvas;
          const data = canvas.getContext("2d").getImageData(0, 0, width, height).data;
          const seen = new Set();
          for (let i = 0; i < data.length; i += 4) {
            if (data[i + 3] > 250) seen.add(data[i] * 65536 + data[i + 1] * 256 + data[i + 2]);
          }
          return seen.size;
        }"""
    )
    return found


def _too_wide(page: Any) -> list[str]:
    """What reaches over the edge of the window."""
    found: list[str] = page.evaluate(
        """() => document.documentElement.scrollWidth <= innerWidth ? [] :
          [...document.querySelectorAll("body *")]
            .filter((e) => e.getBoundingClientRect().right > innerWidth + 1)
            .map((e) => `${e.tagName}.${e.className}`).slice(0, 5)"""
    )
    return found


def test_a_newcomer_walks_through(
    services: Services, serve: Serve, open_page: Callable[..., Any]
) -> None:
    served = serve(services)
    page = open_page()
    page.goto(served.link)
    page.wait_for_url(served.base + "/")  # the link's page logs in by itself once it is seen
    page.wait_for_selector("[data-chart][data-drawn]")
    assert _pixels(page) > 5
    assert page.locator(".alarm").first.is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(245, 246, 248)"

    page.locator(".ranges a", has_text="28").click()
    page.wait_for_url("**range=28d**")

    page.goto(served.base + "/mentions?brand=1")
    page.select_option("#f-sentiment", "negative")
    page.get_by_role("button", name="찾기").click()
    page.wait_for_url("**sentiment=negative**")
    assert "author=" not in page.url  # empty fields stay out of the address
    shown = page.locator(".mentions article").count()
    page.get_by_role("button", name="더 보기").click()
    page.locator(".mentions article").nth(shown).wait_for()
    page.locator(".mention .links a").first.click()
    page.wait_for_url("**/mentions/*")
    assert page.locator("mark").count() >= 1

    page.goto(served.base + "/")
    page.locator(".alarm").first.click()
    page.wait_for_url("**/spikes/*")
    page.wait_for_selector("[data-chart][data-drawn]")
    assert _pixels(page) > 4
    page.get_by_role("button", name="확인했어요").click()
    page.wait_for_selector("text=확인했다고 표시했습니다")


def test_brand_and_watch_with_a_test(
    empty: Services, serve: Serve, open_page: Callable[..., Any], tmp_path: Path
) -> None:
    with WebServer() as source:
        source.pages["/rss"] = Play(RSS, headers={"Content-Type": "application/rss+xml"})
        allowed = empty.settings.model_copy(
            update={"allow_private_hosts": f"127.0.0.1:{source.port}"}
        )
        install = build(allowed)
        served = serve(install)
        page = open_page()
        page.goto(served.link)
        page.wait_for_url(served.base + "/")
        page.get_by_role("link", name="하나하나 직접 정하기").click()
        page.fill("#name", "하늘빛")
        page.get_by_role("button", name="저장").click()
        page.wait_for_url("**/watches/new?brand=*")
        page.locator("a.choice[href*='source=feed']:not([href*='preset'])").click()
        page.fill("[id='p.url']", f"http://127.0.0.1:{source.port}/rss")
        page.get_by_role("button", name="미리보기").click()
        page.wait_for_selector("text=원본을 읽는 중입니다")
        stop = threading.Event()

        def work() -> None:
            while not stop.wait(0.2):
                answer_job(install)

        worker = threading.Thread(target=work)
        worker.start()
        try:
            page.wait_for_selector("text=2건을 읽었고", timeout=20_000)
        finally:
            stop.set()
            worker.join()
        assert page.locator("#preview mark", has_text="하늘빛").count() >= 1
        page.get_by_role("button", name="저장하고 수집 시작").click()
        page.wait_for_url("**/sources")
        with install.database.read() as session:
            row = watches.listing(session)[0]
            assert row.params["url"].endswith("/rss")
            assert brands.find(session, "하늘빛")
        # The first run brings it onto the page that is open already.
        page.goto(served.base + "/")
        assert page.locator(".mention").count() == 0
        list(install.collect_once())
        page.wait_for_selector(".mention.fresh, .mention", timeout=20_000)
        install.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_phones_need_not_scroll_sideways(
    services: Services, serve: Serve, open_page: Callable[..., Any], scheme: str
) -> None:
    served = serve(services)
    page = open_page(viewport={"width": 360, "height": 740}, color_scheme=scheme)
    page.goto(served.link)
    page.wait_for_url(served.base + "/")
    paths = (
        *("/", "/mentions?brand=1", "/mentions/1", "/spikes", "/spikes/1", "/sources"),
        *("/sources/4", "/brands", "/brands/1", "/watches/new", "/watches/new?source=feed"),
        *("/channels", "/settings", "/connections", "/inbound", "/start"),
        *("/rules", "/rules/1", "/calendar"),
    )
    # Widths do not depend on the colours: in the dark a look at three will do.
    for path in paths if scheme == "light" else paths[:3]:
        page.goto(served.base + path)
        assert _too_wide(page) == [], path
    assert not page.locator("nav a", has_text="언급").is_visible()
    page.locator("summary", has_text="메뉴").click()
    page.locator("nav a", has_text="언급").click()
    page.wait_for_url("**/mentions")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(245, 246, 248)" if scheme == "light" else "rgb(16, 19, 24)")


def test_dark_by_switch_and_keyboard(
    services: Services, serve: Serve, open_page: Callable[..., Any]
) -> None:
    served = serve(services)
    page = open_page()
    page.goto(served.link)
    page.wait_for_url(served.base + "/")
    page.get_by_role("link", name="어둡게").click()
    page.wait_for_selector("html[data-theme='dark']")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(16, 19, 24)"
    page.goto(served.base + "/spikes")
    assert page.locator("html[data-theme='dark']").count() == 1
    page.get_by_role("link", name="English").click()
    page.wait_for_selector("html[lang='en']")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_pages_are_of_use_without_javascript(
    services: Services, serve: Serve, open_page: Callable[..., Any]
) -> None:
    served = serve(services)
    page = open_page(java_script_enabled=False)
    page.goto(served.link)
    page.get_by_role("button", name="로그인").click()
    page.wait_for_url(served.base + "/")
    page.locator("summary", has_text="표로 보기").click()
    assert page.locator("table.data tbody tr").first.is_visible()
    page.goto(served.base + "/mentions?brand=1")
    page.locator("summary", has_text="자세한 조건").click()
    page.select_option("#f-topic", "delivery")
    page.get_by_role("button", name="찾기").click()
    page.wait_for_url("**topic=delivery**")
    page.get_by_role("button", name="더 보기").click()
    page.wait_for_url("**before=**")
    assert page.locator(".mentions article").count() > 0
    assert page.locator("nav a", has_text="수집 현황").is_visible()


def test_a_rule_is_tried_while_it_is_made_and_an_alert_is_put_off(
    services: Services, serve: Serve, open_page: Callable[..., Any]
) -> None:
    served = serve(services)
    page = open_page(viewport={"width": 360, "height": 740})
    page.goto(served.link)
    page.wait_for_url(served.base + "/")
    page.goto(served.base + "/rules/new?brand=1&lang=en")  # English says it in longer words
    assert _too_wide(page) == []
    page.goto(served.base + "/rules/new?brand=1&lang=ko")
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.1):
            answer_job(services)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        page.wait_for_selector("#hint .bignumber", timeout=30_000)
        page.select_option("[name=topic]", "delivery")
        page.get_by_label("아주 높음").check()
        page.wait_for_selector("#hint >> text=배송에 대한 불만이", timeout=30_000)
        page.wait_for_selector("#hint .bignumber", timeout=30_000)
        page.get_by_role("button", name="지난 일로 시험하기").click()
        page.wait_for_url("**/backtests/*")
        page.wait_for_selector(".past", timeout=60_000)
    finally:
        stop.set()
        worker.join()
    assert _too_wide(page) == []
    page.get_by_role("button", name="이 설정으로 저장").click()
    page.wait_for_selector("text=규칙을 저장했습니다")
    with services.database.read() as session:
        assert rules.of_brand(session, 1)[-1].sensitivity == "highest"

    page.goto(served.base + "/alerts/1")
    page.locator("summary", has_text="미루기").click()
    assert _too_wide(page) == []
    page.select_option("#snooze", "3h")
    page.get_by_role("button", name="미루기").click()
    page.wait_for_selector("text=까지 미룸")
