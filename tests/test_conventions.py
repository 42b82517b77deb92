"""Names and shapes that the code promises, checked by a machine: sources, tests, docstrings."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import listener
from listener.collect.push import PUSHED
from listener.collect.registry import find_sources
from spiders.base import SourceSpider
from spiders.platforms.page import PageSpider
from spiders.platforms.schema_org import ReviewsSpider
from spiders.platforms.sitemap import SitemapSpider

ROOT = Path(__file__).parents[1]
PACKAGES = ("listener", "spiders", "api")
SPIDERS: tuple[type[SourceSpider], ...] = (PageSpider, ReviewsSpider, SitemapSpider)

# What counts as an assertion: the statement, a context manager of pytest, or a helper so named.
_ASSERTS = re.compile(
    r"(raises|warns|fail|xfail|is_problem|expect\w*|assert\w*|check\w*|validate\w*)\Z"
)


def tracked(*patterns: str) -> list[Path]:
    """The files of the repository that git knows and that are still there."""
    told = subprocess.run(
        ["git", "ls-files", "-z", "--", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if told.returncode:
        pytest.skip("not a git checkout")
    paths = [ROOT / name for name in told.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]


def shown(paths: list[Path]) -> str:
    """Paths for a message."""
    return ", ".join(str(path.relative_to(ROOT)) for path in paths)


def sources() -> dict[str, str]:
    """Name in the spec -> stem of the file that defines it."""
    found = {name: source.__module__.rpartition(".")[2] for name, source in find_sources().items()}
    for spider in SPIDERS:
        # A platform's spider is a source by itself: its file bears the platform's name.
        found[spider.spec.name] = spider.name
    return found


# --- sources -------------------------------------------------------------------------------------


def test_spec_is_named_like_its_file() -> None:
    differing = {name: stem for name, stem in sources().items() if name != stem}
    assert not differing, f"spec name -> file: {differing}"


def test_each_source_file_has_one_source() -> None:
    folder = ROOT / "listener" / "collect" / "sources"
    files = {path.stem for path in folder.glob("[!_]*.py")}
    assert files == {p.__module__.rpartition(".")[2] for p in find_sources().values()}


def test_spiders_of_sites_are_named_like_their_files() -> None:
    for path in (ROOT / "spiders" / "sites").glob("[!_]*.py"):
        assert f'name = "{path.stem}"' in path.read_text("utf-8"), path.name


def test_each_source_has_fixtures() -> None:
    missing = [
        name
        for name in sources()
        if not any((ROOT / "tests" / "fixtures" / name).glob("*/*"))
        # Spiders' pages lie beside their tests, played by a server.
        and name not in {spider.name for spider in SPIDERS}
    ]
    assert not missing, f"no tests/fixtures/<source>/<case>/ for {missing}"


def test_each_fixture_folder_is_a_source() -> None:
    folder = ROOT / "tests" / "fixtures"
    folders = (
        {path.name for path in folder.iterdir() if path.is_dir()} if folder.is_dir() else set()
    )
    assert folders <= {*sources(), *(spec.name for spec in PUSHED)}


def test_each_source_has_a_heading_in_the_docs() -> None:
    text = (ROOT / "docs" / "sources.md").read_text("utf-8")
    headings = set(re.findall(r"^##+ .*?`?([a-z0-9_]+)`?(?:\s|$|:|—)", text, re.MULTILINE))
    missing = {*sources(), *(spec.name for spec in PUSHED)} - headings
    assert not missing, f"docs/sources.md has no heading for {sorted(missing)}"


# --- tests ---------------------------------------------------------------------------------------


def test_no_packages_among_the_tests() -> None:
    assert not list((ROOT / "tests").rglob("__init__.py"))


def test_tests_mirror_the_packages() -> None:
    strangers = []
    for package in PACKAGES:
        for test in (ROOT / "tests" / package).rglob("test_*.py"):
            inside = test.parent.relative_to(ROOT / "tests")
            if not (ROOT / inside).is_dir():
                strangers.append(test)
    assert not strangers, f"no such package: {shown(strangers)}"


Function = ast.FunctionDef | ast.AsyncFunctionDef


def _asserts(function: ast.AST, helpers: frozenset[str]) -> bool:
    """Whether it asserts something itself, or calls a helper of its file that does."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        # The keyword is subprocess.run's check=True.
        name = (
            getattr(node, "attr", None) or getattr(node, "id", None) or getattr(node, "arg", None)
        )
        if isinstance(name, str) and (name in helpers or _ASSERTS.match(name.lstrip("_"))):
            return True
    return False


def _idle(path: Path) -> list[str]:
    """The tests of a file in which nothing seems to be asserted."""
    functions = [n for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, Function)]
    helpers = frozenset(
        function.name
        for function in functions
        if not function.name.startswith("test") and _asserts(function, frozenset())
    )
    return [
        f"{path.relative_to(ROOT)}:{function.lineno} {function.name}"
        for function in functions
        if function.name.startswith("test") and not _asserts(function, helpers)
    ]


def test_every_test_asserts_something() -> None:
    idle = [name for path in (ROOT / "tests").rglob("test_*.py") for name in _idle(path)]
    assert not idle, "nothing seems to be asserted in " + "; ".join(idle)


# --- modules -------------------------------------------------------------------------------------


def test_every_module_begins_with_a_sentence() -> None:
    bare = []
    for package in (*PACKAGES, "benchmarks", "tools"):
        for path in (ROOT / package).rglob("*.py"):
            text = path.read_text("utf-8")
            if not text.strip():
                continue
            if not ast.get_docstring(ast.parse(text)):
                bare.append(path)
    assert not bare, f"no docstring: {shown(bare)}"


def test_nothing_is_left_for_later() -> None:
    later = re.compile(r"#\s*(TODO|FIXME|XXX|HACK)\b")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in tracked("*.py", "*.sh", "*.toml", "*.html", "*.css", "*.js")
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if later.search(line)
    ]
    assert not found, found


def test_no_registry_is_named() -> None:
    # Joined here, so that this file does not name them either.
    hosts = ["py" + "pi.org", "python" + "hosted", "npm" + "js.org", "npm" + "js.com"]
    named = [
        path for path in tracked() if any(host.encode() in path.read_bytes() for host in hosts)
    ]
    assert not named, f"a package registry's host stands in {shown(named)}"


def test_no_third_party_asset_is_tracked() -> None:
    vendored = [path for path in tracked() if ".min." in path.name or "vendor" in path.parts]
    assert not vendored, f"assets come from npm at build time: {shown(vendored)}"


def test_no_large_file_is_tracked() -> None:
    large = [path for path in tracked() if path.stat().st_size > 3_000_000]
    assert not large, shown(large)


# --- the distribution ----------------------------------------------------------------------------


def test_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["version"] == listener.__version__


def test_command_line_starts_without_heavy_imports() -> None:
    heavy = ("scrapy", "fastapi", "numpy", "sqlalchemy", "apprise", "tweepy", "twisted")
    code = (
        "import sys, listener.cli;"
        f"print(' '.join(name for name in {heavy!r} if name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == ""
