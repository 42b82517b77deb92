"""What every page needs: who looks at it, in which language, and the way to a response."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import Depends, Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api import auth
from api.auth import Principal
from api.dashboard import charts, marks, names
from api.dashboard.i18n import LANGUAGES, Speaker
from api.deps import Now, Services, ServicesDep, get_services
from api.errors import Forbidden
from api.rules import Names, RulesShelf
from listener.alert import sentences
from listener.alert.message import series_name
from listener.store.access import User
from listener.store.tables import SpikeRow

FOLDER = Path(__file__).parent
LANGUAGE_COOKIE = "listener_language"
THEME_COOKIE = "listener_theme"
FLASH_COOKIE = "listener_flash"
THEMES = ("light", "dark")
_YEAR = 365 * 86400


@dataclass(frozen=True, slots=True)
class View:
    """One request of one person. ``user`` is None on the login page and on error pages only."""

    request: Request
    services: Services
    say: Speaker
    user: User | None
    csrf: str

    @property
    def language(self) -> str:
        """The language of this page."""
        return self.say.language

    @property
    def now(self) -> datetime:
        """The time of this page."""
        return self.say.now

    @property
    def is_fragment(self) -> bool:
        """Whether htmx asks for a part of a page."""
        return self.request.headers.get("hx-request") == "true"

    def render(
        self,
        template: str,
        status: int = 200,
        *,
        headers: Mapping[str, str] | None = None,
        **context: Any,
    ) -> HTMLResponse:
        """A page or a part of one."""
        text = environment().get_template(template).render(**self._globals(), **context)
        response = HTMLResponse(text, status, headers=dict(headers or {}))
        self._keep_choices(response)
        if self.request.cookies.get(FLASH_COOKIE):
            response.delete_cookie(FLASH_COOKIE)
        return response

    def go(self, path: str, flash: str = "") -> Response:
        """See other: what follows a form that was accepted. ``flash`` is one of ``FLASHES``."""
        response = RedirectResponse(path, 303)
        if flash:
            response.set_cookie(FLASH_COOKIE, flash, max_age=60, httponly=True, samesite="lax")
        return response

    def name(self, table: Mapping[str, names.Pair], code: str | None) -> str:
        """What a code is called; the code itself where it has no name."""
        if code is None:
            return "–"
        pair = table.get(code)
        return code if pair is None else self.say(*pair)

    def source_name(self, code: str) -> str:
        """What a source is called."""
        spec = self.sources().get(code)
        return code if spec is None else self.say(spec["title_ko"] or spec["title"], spec["title"])

    def sources(self) -> Mapping[str, Mapping[str, Any]]:
        """Every source's spec by name; asked for once, since sources come with the program."""
        state = self.request.app.state
        found: Mapping[str, Mapping[str, Any]] | None = getattr(state, "dashboard_sources", None)
        if found is None:
            specs = self.services.wiring.source_specs()
            found = state.dashboard_sources = {str(spec["name"]): spec for spec in specs}
        return found

    @property
    def rules(self) -> RulesShelf:
        """The rules that topics and tags come from."""
        shelf: RulesShelf = self.request.app.state.rules
        return shelf

    @property
    def terms(self) -> Names:
        """What topics, tags and taxonomies are called now; asked for once a request."""
        found: Names | None = getattr(self.request.state, "dashboard_terms", None)
        if found is None:
            with self.services.database.read() as session:
                found = self.request.state.dashboard_terms = self.rules.names(session)
        return found

    def topic_name(self, topic: str) -> str:
        """What a topic is called."""
        return self.terms.topic(topic, self.language)

    def tag_name(self, tag: str) -> str:
        """What a tag ("intent:praise") is called."""
        return self.terms.tag(tag, self.language)

    def taxonomy_name(self, key: str) -> str:
        """What a taxonomy is called."""
        return self.terms.group(key, self.language)

    def series_name(self, dimension: str) -> str:
        """What a series counts, in words."""
        return series_name(dimension, self.language, named=self.terms.topic)

    def spike_title(self, row: SpikeRow) -> str:
        """A spike in a line, with its numbers."""
        return sentences.title(sentences.Subject.of(row, "", now=self.now), self.speech)

    @property
    def speech(self) -> sentences.Speech:
        """The language, zone and names in which spikes are told."""
        return sentences.Speech(
            language=self.language,
            tz=self.say.tz,
            topic=self.terms.topic,
            source=lambda code, _: self.source_name(code),
        )

    def param_title(self, spec: Mapping[str, Any] | None, name: str) -> str:
        """What a parameter of a source is called."""
        one = spec["params"]["properties"].get(name) if spec else None
        return name if one is None else self.say(one["title_ko"] or one["title"], one["title"])

    def _globals(self) -> dict[str, Any]:
        say = self.say
        flash = FLASHES.get(self.request.cookies.get(FLASH_COOKIE, ""))
        theme = self.request.query_params.get("theme") or self.request.cookies.get(THEME_COOKIE)
        return {
            "t": say,
            "lang": say.language,
            "languages": LANGUAGES,
            "theme": theme if theme in THEMES else "",
            "user": self.user,
            "csrf": self.csrf,
            "now": say.now,
            "path": self.request.url.path,
            "flash": None if flash is None else say(*flash),
            "asset": asset,
            "href": href,
            "here": self.here,
            "name_of": self.name,
            "names": names,
            "topic_name": self.topic_name,
            "tag_name": self.tag_name,
            "taxonomy_name": self.taxonomy_name,
            "series_name": self.series_name,
            "spike_title": self.spike_title,
            "source_name": self.source_name,
            "param_title": self.param_title,
            "marked": marks.marked,
            "sparkline": charts.sparkline,
            "zone": self.services.settings.timezone,
        }

    def here(self, **changes: object) -> str:
        """This page's address with some of its query changed; None takes a parameter out."""
        query: dict[str, object] = {
            name: self.request.query_params.getlist(name)
            for name in self.request.query_params
            if name not in ("lang", "theme")
        }
        return href(self.request.url.path, **(query | changes))

    def _keep_choices(self, response: Response) -> None:
        query = self.request.query_params
        secure = self.request.url.scheme == "https"
        for name, cookie, known in (
            ("lang", LANGUAGE_COOKIE, tuple(LANGUAGES)),
            ("theme", THEME_COOKIE, THEMES),
        ):
            value = query.get(name)
            if value in known:
                response.set_cookie(
                    cookie, value, max_age=_YEAR, httponly=True, samesite="lax", secure=secure
                )
            elif value == "auto":
                response.delete_cookie(cookie)


# What is told after a form was accepted; a code travels, never a text.
FLASHES: dict[str, names.Pair] = {
    "saved": ("저장했습니다.", "Saved."),
    "asked": ("서비스에 맡겼습니다.", "Handed to the service."),
    "corrected": ("바로잡았습니다.", "Corrected."),
    "unchanged": ("달라진 것이 없습니다.", "Nothing is different."),
    "correction-undone": ("기계의 판정으로 되돌렸습니다.", "It means again what was read."),
    "rules-saved": (
        "저장했습니다. 새 글부터 이 규칙으로 읽습니다.",
        "Saved. New mentions are read by these rules.",
    ),
    "rules-back": (
        "이전 버전으로 되돌렸습니다. 새 글부터 그 규칙으로 읽습니다.",
        "The earlier version is back; new mentions are read by it.",
    ),
    "brand-added": (
        "브랜드와 기본 알림 규칙을 추가했습니다. 이제 어디에서 모을지 정하세요.",
        "The brand was added with its alert rules. Now choose where to collect.",
    ),
    "brand-archived": ("브랜드를 보관했습니다.", "The brand was archived."),
    "brand-restored": ("브랜드를 되살렸습니다.", "The brand is back."),
    "watch-added": (
        "수집을 시작합니다. 첫 결과가 곧 나타납니다.",
        "Collecting starts. The first mentions will show up soon.",
    ),
    "watch-due": ("곧 수집합니다.", "It will be collected in a moment."),
    "watch-accepted": (
        "지금 모습을 정상으로 보고 다시 배웁니다.",
        "This is taken for normal from now on.",
    ),
    "watch-paused": ("수집을 멈추었습니다.", "Paused."),
    "watch-resumed": ("다시 수집합니다.", "Collecting again."),
    "watch-removed": (
        "수집 대상을 지웠습니다. 모은 글은 남아 있습니다.",
        "Removed. What was collected stays.",
    ),
    "acknowledged": ("확인했다고 표시했습니다.", "Marked as seen."),
    "alert-assigned": ("담당을 정했습니다.", "Assigned."),
    "alert-snoozed": ("미루었습니다.", "Put off."),
    "alert-muted": ("바꾸었습니다.", "Done."),
    "alert-planned": (
        "일정에 넣고 알림을 닫았습니다.",
        "It is in the calendar, and the alert is closed.",
    ),
    "alert-marked": (
        "고맙습니다. 규칙이 이 대답으로 배웁니다.",
        "Thank you. Its rules learn from that.",
    ),
    "alert-noted": ("메모를 남겼습니다.", "Your note was written down."),
    "channel-removed": ("채널을 지웠습니다.", "The channel was removed."),
    "connection-removed": ("연결을 지웠습니다.", "The connection was removed."),
    "key-revoked": ("키를 폐기했습니다.", "The key was revoked."),
    "test-sent": ("시험 알림을 보냅니다.", "A test is on its way."),
    "inbound-removed": (
        "웹훅을 지웠습니다. 받은 글은 남아 있습니다.",
        "Removed. The mentions stay.",
    ),
    "replayed": ("다시 읽습니다. 결과가 곧 나타납니다.", "They are read again in a moment."),
    "planned-added": (
        "일정에 넣었습니다. 이제 이 일정을 감안해 판단합니다.",
        "It is in the calendar, and taken into account from now on.",
    ),
    "planned-removed": ("일정을 지웠습니다.", "Removed from the calendar."),
    "rule-saved": (
        "규칙을 저장했습니다. 지금부터 이 규칙으로 지켜봅니다.",
        "The rule was saved, and is followed from now on.",
    ),
    "rule-removed": ("규칙을 지웠습니다.", "The rule was removed."),
    "retried": ("다시 보냅니다.", "It is sent again."),
}


# --- who looks -----------------------------------------------------------------------------------


async def page_view(request: Request, services: ServicesDep, now: Now, who: auth.Who) -> View:
    """The view of somebody who is logged in. Raises Unauthorized, and Forbidden for API keys."""
    if who.user is None:
        raise Forbidden(
            "An API key opens the API, not the pages.", hint="Log in with your browser."
        )
    return make_view(request, services, now, who)


async def open_view(
    request: Request,
    services: ServicesDep,
    now: Now,
    who: Annotated[Principal | None, Depends(auth.principal)],
) -> View:
    """The view of anybody, for the login pages."""
    return make_view(request, services, now, who)


def make_view(
    request: Request, services: Services, now: datetime, who: Principal | None = None
) -> View:
    """A view in the language that was asked for, chosen before, the user's or the install's."""
    user = who.user if who else None
    for language in (
        request.query_params.get("lang"),
        request.cookies.get(LANGUAGE_COOKIE),
        user.language if user else None,
        services.settings.language,
    ):
        if language in LANGUAGES:
            break
    else:
        language = "ko"
    return View(
        request=request,
        services=services,
        say=Speaker(language, ZoneInfo(services.settings.timezone), now),
        user=user,
        csrf=auth.csrf_token(services, who) if who else "",
    )


PageView = Annotated[View, Depends(page_view)]
OpenView = Annotated[View, Depends(open_view)]


# --- an error as a page --------------------------------------------------------------------------

_ELSEWHERE = ("/api/", "/feeds/", "/hooks/", "/healthz", "/readyz", "/metrics", "/openapi")


def error_page(request: Request, problem: Mapping[str, Any]) -> Response | None:
    """An error as a page, for browsers; None leaves it to the JSON answer."""
    path = request.url.path
    if path.startswith(_ELSEWHERE) or "text/html" not in request.headers.get("accept", ""):
        return None
    status = int(problem["status"])
    is_login = path.startswith("/login")
    if status == 401 and not is_login:
        target = path + (f"?{request.url.query}" if request.url.query else "")
        go_to = href("/login", next=target if request.method == "GET" and target != "/" else None)
        if request.headers.get("hx-request") == "true":
            return Response(status_code=401, headers={"HX-Redirect": go_to})
        return RedirectResponse(go_to, 303)
    services = get_services(request)
    view = make_view(request, services, services.clock())
    if is_login and status in (401, 429):
        form = getattr(request, "_form", None) or {}
        return view.render(
            "login.html",
            status,
            problem=problem,
            email=str(form.get("email", ""))[:200],
            go_to=str(form.get("next", "/"))[:2000],
        )
    return view.render("error.html", status, problem=problem)


# --- templates -----------------------------------------------------------------------------------


@cache
def environment() -> Environment:
    """The templates, compiled once; everything they print is escaped."""
    made = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["seconds"] = lambda value: timedelta(seconds=value)
    made.filters["json"] = lambda value: json.dumps(value, ensure_ascii=False)
    return made


@cache
def asset(name: str) -> str:
    """The address of a static file; it changes with the content, so that browsers may keep it."""
    file = FOLDER / "static" / name
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:10] if file.is_file() else "0"
    return f"/static/{name}?v={digest}"


def href(path: str, /, **query: object) -> str:
    """An address of ours; parameters that are None or empty are left out, lists repeat."""
    pairs = [
        (name, str(value))
        for name, given in query.items()
        for value in (given if isinstance(given, (list, tuple)) else (given,))
        if value is not None and value != ""
    ]
    return f"{path}?{urlencode(pairs)}" if pairs else path
