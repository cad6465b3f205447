"""Settings of the server, from the environment and a TOML file; every one has its sentence here.

Each may be given as ``DFEDGE_SERVER_<NAME>`` in the environment, as a file ``dfedge_server_<name>``
in the folder named by ``DFEDGE_SERVER_SECRETS`` (for passwords: how Docker and Kubernetes hand them
over), or as ``name = value`` in the file named by ``DFEDGE_SERVER_CONFIG`` (or ``--config``). The
first of these wins. ``docs/server.md`` lists them all, made from this module.
"""

from __future__ import annotations

import difflib
import json
import os
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import platformdirs
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from dfedge.errors import UsageError

PREFIX = "DFEDGE_SERVER_"
CONFIG_VARIABLE = PREFIX + "CONFIG"
SECRETS_VARIABLE = PREFIX + "SECRETS"

MIB = 1024**2

_POSTGRES = ("postgresql", "postgres", "postgresql+psycopg")


def _as_names(value: object) -> object:
    """``a, b`` as well as the lists of JSON and TOML."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _as_postgres(value: SecretStr) -> SecretStr:
    """Any of PostgreSQL's usual addresses, with the driver named."""
    text = value.get_secret_value()
    scheme, mark, rest = text.partition("://")
    if text and (scheme not in _POSTGRES or not mark or not rest):
        raise ValueError("give postgresql://user:password@host/name, or nothing for SQLite")
    return SecretStr(f"postgresql+psycopg://{rest}" if text else "")


def _absolute(path: Path) -> Path:
    """Where the process that reads the settings stands, not where it goes later."""
    return path.expanduser().absolute()


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_as_names)]


class Settings(BaseSettings):
    """All settings; immutable."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True
    )

    # Where it listens and what it is called
    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 for all."""
    port: int = Field(default=8000, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""
    public_url: str = ""
    """Address clients reach it by (https://dfedge.example.org); empty: that of the request."""
    allowed_origins: Names = ()
    """Origins of web pages and extensions that may call it (CORS), exact; none by default."""

    # What it keeps, and where
    data_dir: Annotated[Path, AfterValidator(_absolute)] = platformdirs.user_data_path(
        "dfedge-server", appauthor=False
    )
    """Folder of the database and the media unless they are told to lie elsewhere."""
    database_url: Annotated[SecretStr, AfterValidator(_as_postgres)] = SecretStr("")
    """postgresql://user:password@host/name; empty: SQLite in data_dir."""
    storage_url: str = ""
    """s3://bucket/prefix, or a folder; empty: data_dir/media."""
    s3_endpoint: str = ""
    """Address of an S3 server that is not Amazon's."""
    s3_region: str = ""
    """Region of the bucket."""
    s3_access_key_id: SecretStr = SecretStr("")
    """Access key; empty: the machine's own role or environment."""
    s3_secret_access_key: SecretStr = SecretStr("")
    """Secret of the access key."""
    retention_days: float = Field(default=30.0, ge=0)
    """Media and results are deleted after this many days; 0 keeps no media past the verdict."""
    result_days: float = Field(default=30.0, gt=0)
    """How long the verdict itself is kept where media is not (retention_days 0 or keep: false)."""

    # What it accepts
    max_upload_bytes: int = Field(default=512 * MIB, ge=1)
    """Largest body of a request; refused while it streams in."""
    max_crop_bytes: int = Field(default=16 * MIB, ge=1)
    """Largest picture of a face."""
    max_duration_seconds: float = Field(default=7200.0, gt=0)
    """Longest clip."""
    max_frames: int = Field(default=120, ge=1)
    """Most frames looked at in a clip."""
    fetch_seconds: float = Field(default=120.0, gt=0)
    """Time a URL may take to download."""
    allow_private_addresses: bool = False
    """Whether URLs and webhooks may point into this machine's own or a private network."""
    max_queue: int = Field(default=1000, ge=1)
    """Jobs that may wait or run; more are answered 429 with Retry-After."""
    max_queue_per_tenant: int = Field(default=200, ge=1)
    """Of these, how many one tenant may have."""
    requests_per_minute: int = Field(default=600, ge=1)
    """Of one key, unless the key says otherwise."""
    max_wait_seconds: float = Field(default=60.0, ge=0)
    """Longest time a client may ask to wait for a verdict (Prefer: wait=N)."""

    # The heavy tier
    models: Names = ()
    """Bundles, by name or path, each with an optional weight: "genconvit-ed=2". Empty: all
    installed heavy bundles, or the shipped one where there is none."""
    device_weight: float = Field(default=0.5, ge=0)
    """Weight of the device's own opinion beside the models'."""
    device: Literal["auto", "cpu", "cuda", "tensorrt"] = "auto"
    """Where the models run."""
    model_threads: int | None = Field(default=None, ge=1)
    """Threads of each model; empty: the runtime's choice."""
    frames: int = Field(default=20, ge=1, le=120)
    """Frames looked at in a clip unless the client says otherwise."""
    heatmaps: int = Field(default=1, ge=0, le=20)
    """Heat maps of the most suspicious person, where the model allows them."""
    workers: int = Field(default=1, ge=1)
    """Jobs a worker process does at once."""
    sandbox_memory_bytes: int = Field(default=4096 * MIB, ge=256 * MIB)
    """Address space of the process that opens media."""
    sandbox_seconds: float = Field(default=300.0, gt=0)
    """Time of that process for one source."""
    worker_timeout_seconds: float = Field(default=20.0, gt=1)
    """A worker that gives no sign of life for so long is taken for dead, and others do its jobs."""

    # What browsers take from it
    web_bundle: Annotated[Path, AfterValidator(_absolute)] | None = None
    """Folder that `dfedge sign bundle` wrote, handed out to browser extensions; empty: none."""

    # Who may use it
    key_cache_seconds: float = Field(default=2.0, ge=0, le=60)
    """How long a key that was good is believed before it is looked up again: a key that is revoked
    works for so much longer."""
    compat_without_key: bool = False
    """Whether /predict, /detect and their like answer without a key (closed networks only)."""
    session_hours: float = Field(default=12.0, gt=0)
    """How long an analyst stays signed in."""
    webhook_secret: SecretStr = SecretStr("")
    """Signs webhooks; empty: one is made on first start and kept in data_dir."""

    # What it tells its operator
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """What is logged."""
    log_format: Literal["auto", "json", "text"] = "auto"
    """auto: text on a terminal, else JSON lines."""
    metrics: bool = True
    """Whether /metrics answers Prometheus."""
    worker_metrics_port: int = Field(default=0, ge=0, le=65535)
    """Port on which a process of workers alone answers Prometheus, without a key; 0: none."""
    otlp_endpoint: str = ""
    """OpenTelemetry collector (http://host:4318); empty: no traces."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments before environment before secrets before file."""
        path = os.environ.get(CONFIG_VARIABLE)
        file = TomlConfigSettingsSource(settings_cls, toml_file=path or None)
        folder = os.environ.get(SECRETS_VARIABLE)
        secrets = SecretsSettingsSource(settings_cls, secrets_dir=folder or None)
        return init_settings, env_settings, secrets, file

    @cached_property
    def is_sqlite(self) -> bool:
        """Whether everything lies in one folder of one machine."""
        return not self.database_url.get_secret_value()

    @cached_property
    def sqlite_path(self) -> Path:
        """Where the SQLite database lies when there is no other."""
        return self.data_dir / "dfedge.sqlite"

    @cached_property
    def queue_path(self) -> Path:
        """Where the queue's SQLite database lies, beside that one."""
        return self.data_dir / "work.sqlite"

    @cached_property
    def async_database_url(self) -> str:
        """For SQLAlchemy's async engine."""
        return self.database_url.get_secret_value() or f"sqlite+aiosqlite:///{self.sqlite_path}"

    @cached_property
    def dbos_database_url(self) -> str:
        """For DBOS's own tables: a schema beside ours on Postgres, a file of its own on SQLite."""
        return (
            self.database_url.get_secret_value().replace("postgresql+psycopg://", "postgresql://")
            or f"sqlite:///{self.queue_path}"
        )


def load_settings(config: Path | None = None, **overrides: object) -> Settings:
    """Settings from overrides, environment, secrets and file, in that order.

    Raises:
        UsageError: one has a value that cannot work, or the file cannot be read; says which.
    """
    if config is not None:
        os.environ[CONFIG_VARIABLE] = str(config)  # children of this process read it too
    path = os.environ.get(CONFIG_VARIABLE)
    if path and not Path(path).is_file():
        raise UsageError(f"settings file {path}: there is no such file ({CONFIG_VARIABLE})")
    secrets = os.environ.get(SECRETS_VARIABLE)
    if secrets and not Path(secrets).is_dir():
        raise UsageError(f"{SECRETS_VARIABLE} {secrets}: there is no such folder")
    _refuse_unknown_variables()
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        raise UsageError(_explained(error)) from None
    except ValueError as error:  # a file that is not TOML
        raise UsageError(f"settings file {path}: {error}") from None


def _refuse_unknown_variables() -> None:
    """A misspelt setting would otherwise do nothing, and nobody would know."""
    others = {CONFIG_VARIABLE, SECRETS_VARIABLE}
    for variable in sorted(set(os.environ) - others):
        name = variable.removeprefix(PREFIX).lower()
        if variable.startswith(PREFIX) and name not in Settings.model_fields:
            raise UsageError(f"{variable}: there is no such setting{_meant(name, PREFIX)}")


def _explained(error: ValidationError) -> str:
    """The first setting at fault and the way out, without its value: that may be a secret."""
    first = error.errors()[0]
    name = str(first["loc"][0])
    if first["type"] == "extra_forbidden":
        return f"setting {name}: there is no such setting{_meant(name)}"
    problem = first["msg"].removeprefix("Value error, ")
    return f"setting {name}: {problem} ({PREFIX}{name.upper()} or the settings file)"


def _meant(name: str, prefix: str = "") -> str:
    close = difflib.get_close_matches(name, Settings.model_fields, n=1)
    if not close:
        return "; docs/server.md lists all"
    return f"; did you mean {prefix + close[0].upper() if prefix else close[0]}?"
