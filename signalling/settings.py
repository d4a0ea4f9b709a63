"""Configuration: one frozen tree, read once from `SIGHTLINE_*` variables and a `.env` file.

Each leaf has one flat variable name: `SIGHTLINE_<SECTION>_<FIELD>`, or the shorter one in `SHORT_NAMES`.
Lists are comma-separated. A variable wins over `.env`; an empty value counts as not set; an unknown
`SIGHTLINE_*` name is an error, because it is nearly always a misspelt one. `sightline config` prints the
catalogue that `leaves()` yields.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any, Literal, get_args, get_origin
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from mediaserver.settings import MediaSettings
from recorder.settings import RecorderSettings
from signalling.errors import SettingsError

PREFIX = "SIGHTLINE_"

SHORT_NAMES: Mapping[tuple[str, ...], str] = {
    ("internal", "api_key"): "SIGHTLINE_API_KEY",
    ("public", "tls"): "SIGHTLINE_TLS",
    ("public", "frame_ancestors"): "SIGHTLINE_FRAME_ANCESTORS",
    ("public", "trusted_proxies"): "SIGHTLINE_TRUSTED_PROXIES",
    ("media", "announced_addresses"): "SIGHTLINE_MEDIA_ANNOUNCE",
}
"""Path in the tree to a variable name that leaves the section out, or says it better."""


class Section(BaseModel):
    """A part of the tree, handed to the part of the program that it configures."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PublicSettings(Section):
    """The listener that browsers reach: pages, socket.io, signed media."""

    url: str | None = Field(
        default=None,
        description="Address under which browsers reach the public listener, without a path. "
        "Default: http://localhost:<public port>, https with TLS",
    )
    host: str = Field(default="0.0.0.0", description="Address to listen on")  # noqa: S104 - it is the public listener
    port: int = Field(default=8080, ge=1, le=65535, description="TCP port to listen on")
    tls: str = Field(
        default="off",
        description="off (plain, or behind a proxy that ends TLS), auto (own self-signed certificate), "
        "or <certificate file>,<key file> (PEM)",
    )
    frame_ancestors: tuple[str, ...] = Field(
        default=(), description="Origins whose pages may frame ours, for example https://tickets.example.com"
    )
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = Field(
        default=(), description="Networks of reverse proxies whose X-Forwarded-For is believed"
    )

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: str | None) -> str | None:
        return None if value is None else _origin(value)

    @field_validator("frame_ancestors")
    @classmethod
    def _check_ancestors(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_origin(item) for item in value)

    @field_validator("tls")
    @classmethod
    def _check_tls(cls, value: str) -> str:
        parts = [part.strip() for part in value.split(",")]
        if value in ("off", "auto") or (len(parts) == 2 and all(parts)):
            return value
        raise ValueError("must be off, auto, or <certificate file>,<key file>")

    @property
    def base_url(self) -> str:
        """`url`, or what it is on one machine; no slash at the end."""
        scheme = "http" if self.tls == "off" else "https"
        return self.url or f"{scheme}://localhost:{self.port}"


class InternalSettings(Section):
    """The listener that the ticketing backend reaches: room API, health, metrics."""

    host: str = Field(default="127.0.0.1", description="Address to listen on")
    port: int = Field(default=8081, ge=1, le=65535, description="TCP port to listen on")
    api_key: SecretStr | None = Field(
        default=None,
        min_length=32,
        description="Bearer key of the internal API, at least 32 characters. Default: generated on first "
        "start, kept in <data dir>/secrets/api-key",
    )
    max_body_bytes: int = Field(
        default=262_144, ge=65_536, le=16_777_216, description="Largest request body that is read, bytes"
    )


class SessionSettings(Section):
    """How long people, seats and links live."""

    seat_hold_s: int = Field(
        default=120,
        ge=10,
        le=3600,
        description="A seat is kept this long after its connection was lost, seconds",
    )
    agent_token_s: int = Field(
        default=900,
        ge=60,
        le=86_400,
        description="An agent's link is valid this long until its first use, seconds",
    )
    media_url_s: int = Field(
        default=3600, ge=60, le=604_800, description="A signed media address is valid this long, seconds"
    )
    connections_per_address: int = Field(
        default=64,
        ge=1,
        le=65_535,
        description="Most simultaneous socket.io connections of one client address",
    )


class LogSettings(Section):
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severity that is logged"
    )
    format: Literal["auto", "console", "json"] = Field(
        default="auto",
        description="console (for people), json (one object per line), or auto: console on a terminal",
    )


class Settings(BaseSettings):
    """The whole configuration."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=PREFIX, env_file=".env", env_file_encoding="utf-8"
    )

    data_dir: Path = Field(default=Path("data"), description="Directory of the database, secrets and media")
    database_url: SecretStr | None = Field(
        default=None,
        description="Database, sqlite:///<path> or postgresql://<user>:<password>@<host>/<name>. "
        "Default: sqlite in the data directory",
    )
    enterprise: int = Field(
        default=1, ge=1, le=2_147_483_647, description="Enterprise id of rooms that are created without one"
    )
    public: PublicSettings = PublicSettings()
    internal: InternalSettings = InternalSettings()
    session: SessionSettings = SessionSettings()
    media: MediaSettings = MediaSettings()
    recorder: RecorderSettings = RecorderSettings()
    log: LogSettings = LogSettings()

    @model_validator(mode="before")
    @classmethod
    def _keep_recordings_with_the_data(cls, tree: dict[str, Any]) -> dict[str, Any]:
        recorder = tree.get("recorder", {})
        if isinstance(recorder, Mapping):
            directory = Path(tree.get("data_dir", "data")) / "recordings"
            tree = tree | {"recorder": {"directory": directory} | dict(recorder)}
        return tree

    @property
    def database(self) -> str:
        """The database's URL (a secret: it may hold a password)."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.data_dir.absolute() / 'sightline.db'}"

    @property
    def secrets_dir(self) -> Path:
        return self.data_dir / "secrets"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        sources = [init_settings]
        for name, source in (("environment", env_settings), (".env", dotenv_settings)):
            assert isinstance(source, EnvSettingsSource)
            sources.append(_FlatSource(settings_cls, source.env_vars, name))
        return tuple(sources)


@dataclass(frozen=True, slots=True)
class Leaf:
    """One setting: where it stands in the tree and what it is called outside."""

    path: tuple[str, ...]
    env: str
    field: FieldInfo

    @property
    def secret(self) -> bool:
        return SecretStr in (self.field.annotation, *get_args(self.field.annotation))


def leaves(model: type[BaseModel] = Settings, path: tuple[str, ...] = ()) -> Iterator[Leaf]:
    """Every setting, in the order of the tree."""
    for name, field in model.model_fields.items():
        here = (*path, name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from leaves(field.annotation, here)
        else:
            yield Leaf(here, SHORT_NAMES.get(here, PREFIX + "_".join(here).upper()), field)


def load_settings(**overrides: Any) -> Settings:
    """Read the configuration; `overrides` (a nested mapping, as from the command line) win.

    Raises:
        SettingsError: with every fault, each under its variable's name.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        names = {leaf.path: leaf.env for leaf in leaves()}
        faults = []
        for fault in error.errors(include_url=False, include_input=False):
            location = tuple(str(part) for part in fault["loc"])
            known = next((names[location[:n]] for n in (2, 1) if location[:n] in names), ".".join(location))
            faults.append(f"{known}: {fault['msg']}")
        raise SettingsError("\n".join(faults)) from None


class _FlatSource(PydanticBaseSettingsSource):
    """Turns flat variables into the tree."""

    def __init__(
        self, settings_cls: type[BaseSettings], variables: Mapping[str, str | None], origin: str
    ) -> None:
        super().__init__(settings_cls)
        self._variables = {name.upper(): value for name, value in variables.items()}
        self._origin = origin

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        raise NotImplementedError("the tree is built as a whole, in __call__")

    def __call__(self) -> dict[str, Any]:
        known = {leaf.env: leaf for leaf in leaves()}
        tree: dict[str, Any] = {}
        for name, value in self._variables.items():
            if not name.startswith(PREFIX):
                continue
            leaf = known.get(name)
            if leaf is None:
                close = difflib.get_close_matches(name, known, n=1)
                hint = f" Did you mean {close[0]}?" if close else " `sightline config` lists them all."
                raise SettingsError(f"{name} ({self._origin}): there is no such setting.{hint}")
            if value:
                branch = tree
                for part in leaf.path[:-1]:
                    branch = branch.setdefault(part, {})
                branch[leaf.path[-1]] = _parse(leaf, value)
        return tree


def _parse(leaf: Leaf, text: str) -> Any:
    """A variable's text as pydantic takes it: a list where the setting is one, otherwise the text."""
    kinds = {get_origin(kind) or kind for kind in (leaf.field.annotation, *get_args(leaf.field.annotation))}
    if not kinds & {tuple, list, set, frozenset}:
        return text
    if text.lstrip().startswith("["):
        try:
            return json.loads(text)
        except ValueError:
            raise SettingsError(f"{leaf.env}: this is not a JSON list") from None
    return [item.strip() for item in text.split(",") if item.strip()]


def _origin(value: str) -> str:
    """Check and normalise an http(s) origin: scheme, host and port, nothing else."""
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError("must be an address such as https://host:port") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValueError("must be an address such as https://host:port")
    if parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("must have no path, query, fragment or user name")
    return f"{parts.scheme}://{parts.netloc.lower()}"
