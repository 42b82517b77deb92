"""Shapes that several routes answer or take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field, model_validator

from listener.types import FlagKind, Label

LARGEST_ID = 2**53 - 1  # what JavaScript can tell exactly

CORRECTED = "Which of label, complaint and topics are what a person said; the score is the model's."

Id = Annotated[int, Path(ge=1, le=LARGEST_ID, description="Its id.")]


class Body(BaseModel):
    """What a client sends: unknown fields are refused, as a misspelt one would be lost."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    @model_validator(mode="before")
    @classmethod
    def _no_nul(cls, data: Any) -> Any:
        if _has_nul(data):
            raise ValueError("There is a NUL character in it.")
        return data


def _has_nul(data: Any) -> bool:
    if isinstance(data, str):
        return "\0" in data
    if isinstance(data, Mapping):
        return any(_has_nul(value) for pair in data.items() for value in pair)
    return isinstance(data, Sequence) and any(_has_nul(value) for value in data)


class Sentiment(BaseModel):
    """Polarity of a text."""

    score: float = Field(
        description="From -1 (negative) to 1. 0 where `model` is `person`: a person gave the label "
        "to what no model scores.",
        examples=[-0.72],
    )
    label: Label = Field(description="The score in words.", examples=["negative"])
    confidence: float = Field(description="From 0 to 1.", examples=[0.91])
    model: str = Field(description="The model that scored it.", examples=["korean-ngram"])
    version: str = Field(description="The model's version.", examples=["1"])


class Span(BaseModel):
    """Where a term of the brand was found."""

    field: str = Field(description="`title` or `text`.", examples=["text"])
    start: int = Field(description="First character, from 0.", examples=[0])
    end: int = Field(description="One past the last character.", examples=[2])
    term: str = Field(description="The brand's term that was found.", examples=["하늘"])


class BrandReading(BaseModel):
    """A brand that the mention belongs to, and what it says of that brand."""

    id: int = Field(examples=[1])
    name: str = Field(examples=["하늘"])
    sentiment: Sentiment | None = Field(description="Toward this brand; null = not scored.")
    complaint: bool | None = Field(description="Whether it complains; null = cannot be judged.")
    topics: list[str] = Field(examples=[["delivery"]])
    tags: list[str] = Field(
        description="What further taxonomies say of it, each as taxonomy:category.",
        examples=[["class:support", "intent:question"]],
    )
    corrected: list[str] = Field(description=CORRECTED, examples=[["label"]])
    spans: list[Span] = Field(
        description="Where its terms stand; empty if it belongs to the brand by where it was found."
    )


class BrandName(BaseModel):
    """A brand by id and name."""

    id: int = Field(examples=[1])
    name: str = Field(examples=["하늘"])


class Mention(BaseModel):
    """A mention as it is now."""

    id: int = Field(description="Never changes and is never used again.", examples=[4711])
    seq: int | None = Field(
        description="Number of its last change; null if it never belonged to a brand.",
        examples=[90210],
    )
    change: str | None = Field(
        description="What happened last: `created`, `edited` or `corrected`.", examples=["created"]
    )
    source: str = Field(examples=["reviews"])
    namespace: str = Field(description="Where `external_id` is unique.", examples=["shop.example"])
    external_id: str = Field(description="The source's own id.", examples=["r-1042"])
    kind: str = Field(
        description="post, comment, review, article, answer, ticket or survey.", examples=["review"]
    )
    url: str | None = Field(examples=["https://shop.example/p/1#r-1042"])
    author: str | None = Field(
        description="A pseudonym that is always the same for the same author; the name where the "
        "install shows names.",
        examples=["a_3f9c1d20b7e44a51c0de"],
    )
    title: str | None
    text: str = Field(examples=["하늘 배송이 너무 늦어요"])
    language: str = Field(description="ISO 639-1; `und` = unknown.", examples=["ko"])
    sentiment: Sentiment | None = Field(
        description="Of the text as a whole; null = not scored, which is not neutral."
    )
    complaint: bool | None = Field(description="Null = cannot be judged.", examples=[True])
    topics: list[str] = Field(examples=[["delivery"]])
    tags: list[str] = Field(
        description="What further taxonomies say of it, each as taxonomy:category.",
        examples=[["class:support", "intent:question"]],
    )
    corrected: list[str] = Field(description=CORRECTED, examples=[["label"]])
    generation: int = Field(
        description="Number of the set of models and rules that read it.", examples=[2]
    )
    rules_version: str = Field(
        description="Version of the rules that read it.", examples=["6d021af92b47"]
    )
    flags: list[FlagKind] = Field(
        description="`sponsored` (it says so), `promotion` (it sells or lures), `bot` (its author "
        "posts the same again and again); empty for most.",
        examples=[[]],
    )
    rating: float | None = Field(examples=[1])
    rating_min: float | None = Field(description="Lowest rating possible.", examples=[1])
    rating_max: float | None = Field(description="Highest rating possible.", examples=[5])
    published_at: datetime | None = Field(description="As the source tells it.")
    published_precision: str = Field(description="exact, day or none.", examples=["exact"])
    seen_at: datetime = Field(description="When we found it.")
    brands: list[BrandReading]


class Left(BaseModel):
    """A mention that was in the filter and is no longer: forget it."""

    id: int = Field(examples=[4711])
    seq: int = Field(examples=[90311])
    change: str = Field(description="`left`.", examples=["left"])
    brands: list[BrandName] = Field(description="The brands it belongs to now.")


class Deleted(BaseModel):
    """A mention that is gone: forget it."""

    id: int = Field(examples=[4711])
    seq: int = Field(examples=[90312])
    change: str = Field(description="`deleted`.", examples=["deleted"])
