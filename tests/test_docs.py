"""What the docs say exists, and what exists stands in the docs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from fastapi import FastAPI

from api.app import create_app
from api.routes.health import _read
from listener.alert import notice
from listener.alert.message import EVENTS, AlertFacts, Sample, SpikeFacts, payload
from listener.cli import app as command_line
from listener.collect.health import State
from listener.collect.push import PUSHED
from listener.collect.registry import check_params, find_sources
from listener.pipeline.notices import TRIES
from listener.runtime.wiring import build
from listener.settings import PREFIX, Settings
from listener.store.work import Database
from listener.types import ChangeKind, GapReason, Label, Outcome, SourceSpec
from spiders.platforms.page import PageSpider
from spiders.platforms.schema_org import ReviewsSpider
from spiders.platforms.sitemap import SitemapSpider

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])

# Names that begin like a setting and are none: Scrapy settings of the crawls.
_INSIDE = {"LISTENER_PRIVATE_HOSTS", "LISTENER_PARENT"}
_VARIABLE = re.compile(r"\bLISTENER_[A-Z0-9_]*[A-Z0-9]\b")


def page(name: str) -> str:
    """The text of a page of the docs."""
    return (DOCS / name).read_text("utf-8")


def specs() -> dict[str, SourceSpec]:
    """All sources, those that come by themselves too."""
    found = {name: source.spec for name, source in find_sources().items()}
    found |= {spec.name: spec for spec in PUSHED}
    return found | {s.spec.name: s.spec for s in (PageSpider, ReviewsSpider, SitemapSpider)}


def rows(text: str, heading: str) -> dict[str, list[str]]:
    """The first table under a heading: what stands in its first column -> the other cells."""
    section = text.partition(f"\n{heading}\n")[2].split("\n## ")[0]
    table = [line.strip("|").split(" | ") for line in section.splitlines() if line.startswith("|")]
    return {cells[0].strip(" `"): [cell.strip() for cell in cells[1:]] for cells in table[2:]}


def source_variables() -> set[str]:
    """The environment variables of all sources."""
    names = set()
    for spec in specs().values():
        if spec.base_url:
            names.add(f"{PREFIX}{spec.name.upper()}__BASE_URL")
        names |= {f"{PREFIX}{spec.name.upper()}__{one.name.upper()}" for one in spec.credentials}
    return names


# --- settings ------------------------------------------------------------------------------------


def test_settings_are_those_of_the_table() -> None:
    documented = rows(page("configuration.md"), "## Settings")
    assert set(documented) == {PREFIX + name.upper() for name in Settings.model_fields}


def test_defaults_are_those_of_the_table() -> None:
    documented = rows(page("configuration.md"), "## Settings")
    for name, field in Settings.model_fields.items():
        told = documented[PREFIX + name.upper()][0]
        default = field.default
        if isinstance(default, bool):
            assert told == f"`{str(default).lower()}`", name
        elif isinstance(default, int | float):
            assert float(told.strip("`")) == default, name
        elif default == "":
            assert told == "empty", name
        elif isinstance(default, str) and "(" not in default:
            assert told == f"`{default}`", name


def test_variables_of_sources_are_those_of_the_docs() -> None:
    """In full in the table, or by the credential's name under the source's heading: a new source
    need not touch configuration.md.
    """
    table = set(rows(page("configuration.md"), "## Sources"))
    assert table <= source_variables()
    text = page("sources.md")
    for variable in source_variables() - table:
        name = variable.partition("__")[2].lower()
        assert f"`{name}`" in text or name == "base_url", variable


def test_variables_that_the_code_names_are_documented() -> None:
    named = set()
    for folder in ("listener", "spiders", "api", "tools"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".py", ".sh"):
                named |= set(_VARIABLE.findall(path.read_text("utf-8")))
    text = page("configuration.md")
    assert not {name for name in named - _INSIDE if name not in text}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_variables_in_the_docs_exist(path: Path) -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields} | source_variables()
    known |= {"LISTENER_CHROMIUM", "LISTENER_KILL_AT", "LISTENER_SUPERVISOR_PID"}
    text = path.read_text("utf-8")
    if path.name == "adding-a-source.md":
        return  # it makes a source up
    assert set(_VARIABLE.findall(text)) <= known


# --- sources -------------------------------------------------------------------------------------


def test_parameters_of_sources_are_documented() -> None:
    sections = re.split(r"^## ", page("sources.md"), flags=re.MULTILINE)
    for name, spec in specs().items():
        found = [s for s in sections if re.search(rf"\b{name}\b", s.partition("\n")[0].lower())]
        assert len(found) == 1, f"docs/sources.md: one heading `## {name}` is wanted"
        for one in (*spec.params, *spec.credentials):
            assert re.search(rf"\b{one.name}\b", found[0], re.IGNORECASE), f"{name}: {one.name}"


def test_words_for_outcomes_gaps_changes_and_labels_are_documented() -> None:
    text = page("concepts.md")
    for word in (*Outcome, *GapReason, *ChangeKind, *Label):
        assert f"`{word}`" in text, word


# --- the command line ----------------------------------------------------------------------------


def commands(group: Any, before: str = "listener") -> Iterator[tuple[str, Any]]:
    """Every command by its full name."""
    for name, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            yield from commands(command, f"{before} {name}")
        else:
            yield f"{before} {name}", command


COMMANDS = dict(commands(typer.main.get_command(command_line)))


@pytest.mark.parametrize("name", COMMANDS)
def test_command_is_documented_with_its_options_and_an_example(name: str) -> None:
    section = page("cli.md").partition(f"\n### `{name}`\n")[2].split("\n##")[0]
    assert section, f"docs/cli.md has no heading ### `{name}`"
    assert re.search(rf"^\S*.*\b{name}\b", section.partition("```bash")[2], re.MULTILINE)
    for parameter in COMMANDS[name].params:
        longest = max(parameter.opts, key=len)
        if longest.startswith("--"):
            assert longest in section, f"{name} {longest}"


@pytest.mark.parametrize("name", COMMANDS)
def test_command_has_help_with_an_example(name: str) -> None:
    command = COMMANDS[name]
    assert re.search(r"Example: `.*\blistener\b.*`", command.help or ""), name
    line = re.search(r"Example: `(.*)`", command.help or "")
    assert line is not None
    assert [called for called, _ in calls(line.group(1))] == [name]


def test_documented_commands_exist() -> None:
    headings = re.findall(r"^### `(listener [a-z][a-z -]*)`$", page("cli.md"), re.MULTILINE)
    assert sorted(headings) == sorted(COMMANDS)


def calls(line: str) -> Iterator[tuple[str, list[str]]]:
    """The calls of ``listener`` in a line of shell: the command's name and what follows it."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;()<>")
    lexer.whitespace_split = True
    words = list(lexer)
    for at, word in enumerate(words):
        first = at == 0 or words[at - 1][-1] in "|&;(" or re.match(r"[A-Z_]+=", words[at - 1])
        if not first or word.rpartition("/")[2] != "listener":
            continue
        rest = []
        for following in words[at + 1 :]:
            if re.fullmatch(r"[|&;()<>]+", following):
                break
            rest.append(following)
        depth = 2 if " ".join(["listener", *rest[:2]]) in COMMANDS else 1
        yield " ".join(["listener", *rest[:depth]]), rest[depth:]


def lines_of_shell() -> Iterator[tuple[str, str]]:
    """The lines of all bash blocks of the docs, continued lines joined."""
    for path in PAGES:
        for block in re.findall(r"```bash\n(.*?)```", path.read_text("utf-8"), re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                code = re.sub(r"(^|\s)#.*$", "", line).replace("$(", "(")
                if re.search(r"\blistener\b", code):
                    yield str(path.relative_to(ROOT)), code


def test_commands_in_the_docs_can_be_typed() -> None:
    tried = 0
    for path, line in lines_of_shell():
        for name, arguments in calls(line):
            if name == "listener --version":
                continue
            assert name in COMMANDS, f"{path}: {line}"
            try:
                context = COMMANDS[name].make_context(name, list(arguments))
            except Exception as error:  # the parser's own kinds of it
                pytest.fail(f"{path}: {line}: {error!r}")
            if name in ("listener watch add", "listener watch preview"):
                given = dict(pair.split("=", 1) for pair in context.params["param"] or ())
                check_params(specs()[context.params["source"]], given)
            tried += 1
    assert tried > 30


def test_targets_in_the_docs_exist() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    for path in PAGES:
        text = path.read_text("utf-8")
        called = set(re.findall(r"(?:^|`|&& |\d )make ([a-z]+)", text, re.MULTILINE))
        assert called <= targets, path.name


# --- the API -------------------------------------------------------------------------------------


@pytest.fixture
def web(settings: Settings) -> FastAPI:
    """The app; nothing is asked of it but its description."""
    return create_app(build(settings))


def test_routes_are_documented(web: FastAPI) -> None:
    text = page("api.md") + page("operations.md")
    missing = [
        f"{method.upper()} {path}"
        for path, methods in web.openapi()["paths"].items()
        for method in methods
        if f"{method.upper()} {path}" not in text
    ]
    assert not missing, f"docs/api.md says nothing of {missing}"


def test_routes_in_the_docs_exist(web: FastAPI) -> None:
    known = {
        f"{method.upper()} {path}"
        for path, methods in web.openapi()["paths"].items()
        for method in methods
    }
    known |= {"GET /api/v1/openapi.json"}
    for path in PAGES:
        for method, route in re.findall(
            r"\b(GET|POST|PUT|PATCH|DELETE) (/(?:api|feeds|metrics|healthz|readyz)[\w/{}.-]*)",
            path.read_text("utf-8"),
        ):
            assert f"{method} {route.rstrip('.')}" in known, path.name


def test_metrics_are_documented(sqlite: Database, now: datetime, web: FastAPI) -> None:
    with sqlite.read() as session:
        told = {metric.name for metric in _read(session, now)}
    told |= {metric.name for metric in web.state.metrics.registry.collect()}
    text = page("operations.md")
    assert not [name for name in told if name not in text]


# --- alerts --------------------------------------------------------------------------------------


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _keys(inner)


def test_fields_of_the_webhook_are_documented() -> None:
    at = datetime(2026, 1, 5, tzinfo=UTC)
    spike = SpikeFacts(
        spike_id=1,
        dimension="complaint",
        state="open",
        onset_at=at,
        resolved_at=None,
        expected=1,
        observed=9,
        score=3,
        topics=(("delivery", 0.5),),
        sources=(("x", 1.0),),
    )
    facts = AlertFacts(
        alert_id=1,
        brand="하늘",
        severity="high",
        opened_at=at,
        resolved_at=None,
        spikes=(spike,),
        samples=(Sample(mention_id=1, source="x", excerpt="…", url=None),),
    )
    text = page("channels.md") + page("alerts.md")
    data = payload(facts, "alert.opened", tz=UTC)  # type: ignore[arg-type]
    missing = {key for key in _keys(data) if not re.search(rf"[`.\"]{key}[`\".\[]", text)}
    assert not missing
    assert not [event for event in EVENTS if f"`{event}`" not in text]


def test_notices_are_documented() -> None:
    text = page("alerts.md")
    now = datetime(2025, 3, 10, tzinfo=UTC)
    facts = notice.NoticeFacts(
        notice_id=1,
        source="feed",
        source_title=("피드", "Feed"),
        place="",
        state=State.FAILING,
        outcome=Outcome.UNAVAILABLE,
        title=("", ""),
        reason=("", ""),
        advice=("", ""),
        detail="",
        watches=((1, "a"),),
        since=now,
        opened_at=now,
        missed=(notice.Missed(watch_id=1, from_at=now, to_at=None, why="outage"),),
    )
    data = notice.payload(facts, "source.failing", now=now, tz=UTC)  # type: ignore[arg-type]
    missing = {key for key in _keys(data) if not re.search(rf"[`.\"]{key}[`\".\[]", text)}
    assert not missing
    assert not [event for event in notice.EVENTS if f"`{event}`" not in text]


def test_states_of_watches_are_documented() -> None:
    for name in ("concepts.md", "operations.md"):
        text = page(name)
        told = State if name == "concepts.md" else TRIES
        assert not [state for state in told if f"`{state}`" not in text], name


# --- links ---------------------------------------------------------------------------------------


def _anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as forges make them."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in headings}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text("utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        assert there.exists(), f"{path.name}: {target}"
        if anchor and there.suffix == ".md":
            assert anchor in _anchors(there.read_text("utf-8")), f"{path.name}: {target}"


def test_every_page_can_be_found() -> None:
    linked = set()
    for path in PAGES:
        for target in re.findall(r"\]\(([^)\s#]+)", path.read_text("utf-8")):
            linked.add((path.parent / target).resolve())
    lost = [p for p in PAGES if p.resolve() not in linked and p != ROOT / "README.md"]
    assert not lost
