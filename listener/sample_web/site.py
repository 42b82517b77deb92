"""What every part of the sample web shares: the timeline, an index by id, templates."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from listener.sample_web.model import KST, Channel, Item
from listener.sample_web.timeline import Timeline

Clock = Callable[[], datetime]

HERE: Final = Path(__file__).parent


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["local"] = lambda at: at.astimezone(KST).strftime("%Y-%m-%d %H:%M")
    environment.filters["iso"] = lambda at: at.astimezone(KST).isoformat(timespec="seconds")
    return environment


@dataclass(slots=True)
class Site:
    """The timeline with look-ups by id, and the page renderer."""

    timeline: Timeline
    _environment: Environment = field(default_factory=_environment)
    _index: dict[Channel, dict[str, Item]] = field(default_factory=dict)
    _indexed: dict[Channel, int] = field(default_factory=dict)

    def find(self, channel: Channel, item_id: str, now: datetime) -> Item | None:
        """The item with `item_id`, if `channel` shows it at `now`."""
        index = self._index.setdefault(channel, {})
        done = self._indexed.get(channel, 0)
        count = self.timeline.count(channel, now)
        if count > done:
            items = self.timeline.visible(channel, now)
            index.update((item.id, item) for item in items[done:])
            self._indexed[channel] = count
        item = index.get(item_id)
        return item if item is not None and item.appears <= now else None

    def page(
        self,
        template: str,
        *,
        status: int = 200,
        headers: dict[str, str] | None = None,
        **data: Any,
    ) -> HTMLResponse:
        """Render a page; everything in it is escaped unless the template says otherwise."""
        text = self._environment.get_template(template).render(**data)
        return HTMLResponse(text, status, headers)


def utc_now() -> datetime:
    """The wall clock; the only place of the sample web that reads it."""
    return datetime.now(UTC)  # noqa: TID251
