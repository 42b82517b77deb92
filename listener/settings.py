"""All settings, read once from the environment and passed on from there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from listener.errors import ConfigError
from listener.types import PersonalKind

PREFIX = "LISTENER_"


class Settings(BaseSettings):
    """Every setting of the service. Each is documented in docs/configuration.md; a test holds the
    two together.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="ignore", frozen=True, populate_by_name=True
    )

    home: Path = Field(Path("var"), description="Folder for the database, the secret key and logs.")
    host: str = Field("127.0.0.1", description="Address the web server listens on.")
    port: int = Field(
        8000, ge=0, le=65535, description="Port the web server listens on; 0 picks a free one."
    )
    public_url: str | None = Field(
        None, description="Address under which people reach the dashboard, for links in alerts."
    )
    database_url: str | None = Field(
        None, description="SQLAlchemy URL; default is SQLite in the home folder."
    )
    secret_key: SecretStr | None = Field(
        None,
        description="Key that signs sessions and encrypts credentials; default: a file in home.",
    )
    timezone: str = Field(
        "Asia/Seoul", description="Time zone of the workspace: days on charts, hours in reports."
    )
    holidays: str = Field(
        "KR",
        pattern="^([A-Za-z]{2})?$",
        description="Country whose public holidays count as Sundays (ISO 3166); empty: none.",
    )
    language: str = Field(
        "ko", pattern="^(ko|en)$", description="Language of screens and alerts by default."
    )
    allow_private_hosts: str = Field(
        "",
        description="Inside hosts that may be contacted: host or host:port, comma separated.",
    )
    user_agent: str = Field(
        "Listener/0.1 (+https://listener.invalid/bot)",
        description="User agent sent to sources; name a contact here.",
    )
    request_timeout: float = Field(20.0, gt=0, description="Seconds for one request, in all.")
    max_response_bytes: int = Field(
        20_000_000, gt=0, description="Largest response body that is read."
    )
    max_pages: int = Field(
        20,
        gt=0,
        description="Most pages that one run of a watch walks back; the rest is back-filled.",
    )
    crawl_pages: int = Field(200, gt=0, description="Most pages that one crawl visits.")
    history_days: int = Field(
        365, gt=0, description="Days that a new watch looks back, as far as the source allows."
    )
    collect_workers: int = Field(4, gt=0, description="Watches collected at the same time.")
    backfill_workers: int = Field(
        1, gt=0, description="Back-fills at work at the same time, beside live collection."
    )
    unmatched_days: int = Field(
        14, gt=0, description="Days that mentions matching no brand are kept."
    )
    raw_days: int = Field(30, ge=0, description="Days that the source's original record is kept.")
    hash_authors: bool = Field(
        True, description="Show authors outside of the system by a keyed pseudonym."
    )
    mask: str = Field(
        "all",
        description="Personal data masked in texts before they are stored: `all`, `none`, or of "
        "resident, card, account, passport, licence, ssn, phone, email, address; comma separated.",
    )
    count_flagged: bool = Field(
        False,
        description="Count sponsored, promotional and machine-repeated mentions as all others.",
    )
    rules: Path | None = Field(
        None, description="A file of complaint and topic rules that replaces the built-in one."
    )
    log_level: str = Field("INFO", description="Level of the log.")

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("mask")
    @classmethod
    def _kinds(cls, value: str) -> str:
        masked_kinds(value)
        return value

    @property
    def database(self) -> str:
        """The SQLAlchemy URL in force."""
        return self.database_url or f"sqlite:///{self.home / 'listener.db'}"

    @property
    def private_hosts(self) -> frozenset[str]:
        """Hosts inside the network that may be contacted, lower case."""
        return frozenset(
            h.strip().lower() for h in self.allow_private_hosts.split(",") if h.strip()
        )


def masked_kinds(value: str) -> frozenset[str]:
    """The kinds of personal data that a value of ``mask`` names. Raises ValueError."""
    named = frozenset(word.strip().lower() for word in value.split(",") if word.strip())
    if named == {"all"}:
        return frozenset(PersonalKind)
    if named <= {"none"}:
        return frozenset()
    if unknown := named - frozenset(PersonalKind):
        known = ", ".join(("all", "none", *PersonalKind))
        raise ValueError(f"{', '.join(sorted(unknown))} is not known; known are {known}")
    return named


def load(**overrides: Any) -> Settings:
    """Read the settings. Raises ConfigError that names the variable and what it accepts."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        first = error.errors()[0]
        name = PREFIX + str(first["loc"][0]).upper() if first["loc"] else PREFIX
        raise ConfigError(f"{name}: {first['msg']}.", hint="See docs/configuration.md.") from error


def source_setting(source: str, name: str, environ: Mapping[str, str] | None = None) -> str | None:
    """The default of a source: ``LISTENER_<SOURCE>__<NAME>``; None when unset or empty."""
    env = os.environ if environ is None else environ
    return env.get(f"{PREFIX}{source.upper()}__{name.upper()}") or None
