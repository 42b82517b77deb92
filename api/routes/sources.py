"""``/api/v1/sources``: what can be watched, and what each source wants to know."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api.deps import Json, ServicesDep
from listener.errors import NotFound

router = APIRouter(prefix="/api/v1/sources", tags=["sources"])


class SourceOut(BaseModel):
    """A source."""

    model_config = ConfigDict(extra="allow")

    name: str = Field(examples=["feed"])
    title: str
    title_ko: str
    kind: str = Field(description="What its items are.", examples=["article"])
    params: dict[str, Any] = Field(description="JSON schema of a watch's parameters.")
    credentials: list[dict[str, Any]] = Field(description="Secrets that it needs.")


class SourceList(BaseModel):
    """All sources."""

    items: list[SourceOut]


@router.get("", response_model=SourceList, operation_id="list_sources")
def list_sources(services: ServicesDep) -> Response:
    """All sources by name. They come with the install, so there is one page of them."""
    return Json({"items": list(services.wiring.source_specs())})


@router.get("/{name}", response_model=SourceOut, operation_id="get_source")
def get_source(
    services: ServicesDep, name: Annotated[str, Path(max_length=40, description="Its name.")]
) -> Response:
    """One source."""
    specs = services.wiring.source_specs()
    for spec in specs:
        if spec["name"] == name:
            return Json(spec)
    raise NotFound(
        f"There is no source {name!r}.",
        hint=f"Sources are {', '.join(str(spec['name']) for spec in specs)}.",
    )
