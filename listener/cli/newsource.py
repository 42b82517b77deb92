"""``listener new-source``: the skeleton of a source, red until it is filled in."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated

import typer

from listener.cli.base import app, expected
from listener.errors import Conflict, InvalidInput

_NAME = re.compile(r"[a-z][a-z0-9]{1,30}")

_SOURCE = '''"""{title}: what it is, in one sentence."""

from __future__ import annotations

from datetime import timedelta

from listener.collect.base import Page, Parsed, Poller, Position, Request
from listener.types import Kind, Param, SourceSpec, Watch


class {title}(Poller):
    """What it brings."""

    spec = SourceSpec(
        name="{name}",
        title="{title}",
        title_ko="{title}",
        every=timedelta(minutes=15),
        kind=Kind.POST,
        base_url="https://{name}.example",
        params=(Param(name="query", title="Words", title_ko="검색어", required=True),),
        cost="",
        limits="",
        terms="",
    )

    def request(self, watch: Watch, at: Position) -> Request:
        """Ask for a page, newest first."""
        return Request(
            url=f"{{watch.connection.base_url}}/fill-in",
            params={{"q": watch.params["query"], "page": at.token}},
            expect="json",
        )

    def parse(self, page: Page, watch: Watch, at: Position) -> Parsed:
        """Read one page."""
        raise NotImplementedError("docs/adding-a-source.md says what to do here")
'''

_HEADING = """
## {name}

What it brings, how far back it goes, what its terms ask.

| parameter | |
| --- | --- |
| `query` | |

```bash
listener watch add --brand 누리마켓 --source {name} --param query=누리마켓
```
"""

_CASES = {
    "ok": {"fill": "in a recorded answer, with invented people and texts"},
    "empty": {},
    "changed-layout": {"nothing": "that parse knows"},
}


@app.command("new-source")
@expected
def new_source(
    name: Annotated[str, typer.Argument(help="Small letters and digits, like the platform.")],
    folder: Annotated[Path, typer.Option(help="The checkout of Listener.")] = Path(),
) -> None:
    """Make the skeleton of a source: its file, the fixtures that all need, a heading in the docs.

    Its tests are red until it is filled in; docs/adding-a-source.md leads through it.

    Example: `listener new-source plaza`
    """
    for path in make(name, folder):
        typer.echo(path)
    typer.echo(f"Next: .venv/bin/pytest tests/listener/collect/test_fixtures.py -k {name}")


def make(name: str, folder: Path) -> list[str]:
    """Write the skeleton; gives the files made, relative to the folder.

    Raises InvalidInput for a name that cannot be one or a folder that is no checkout, Conflict
    where the source exists.
    """
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f"{name!r} cannot name a source.", field="name", hint="Small letters and digits only."
        )
    source = folder / "listener" / "collect" / "sources" / f"{name}.py"
    docs = folder / "docs" / "sources.md"
    if not source.parent.is_dir() or not docs.is_file():
        raise InvalidInput(
            f"{folder.absolute()} is no checkout of Listener.", hint="Name it with --folder."
        )
    text = docs.read_text("utf-8")
    if source.exists() or re.search(rf"^## {name}$", text, re.MULTILINE):
        raise Conflict(f"There is a source {name} already.")
    files = {source: _SOURCE.format(name=name, title=name.capitalize())}
    for case, body in _CASES.items():
        place = folder / "tests" / "fixtures" / name / case
        files[place / "meta.json"] = _json(_meta())
        files[place / "input.json"] = _json(body)
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")
    docs.write_text(text.rstrip("\n") + "\n" + _HEADING.format(name=name), "utf-8")
    return [str(path.relative_to(folder)) for path in (*files, docs)]


def _meta() -> dict[str, object]:
    page = {"file": "input.json", "headers": {"Content-Type": "application/json"}}
    return {
        "watch": {"params": {"query": "누리마켓"}, "base_url": "{server}"},
        "runs": [{"now": "2025-03-10T12:00:00+00:00", "pages": {"/fill-in": page}}],
    }


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"
