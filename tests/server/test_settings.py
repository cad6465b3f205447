"""Settings of the server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.server.conftest import with_settings

from dfedge.errors import UsageError
from dfedge_server.settings import PREFIX, Settings, load_settings
from dfedge_server.settings_docs import table


@pytest.fixture(autouse=True)
def _alone(settings: Settings) -> None:
    """Nothing of the user's environment."""


def test_every_setting_has_its_sentence() -> None:
    """The table of the documentation is made of the docstrings, and lacks none."""
    rows = table()
    assert [] == [name for name in Settings.model_fields if f"| `{name}` |" not in rows]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A settings file."""
    path = tmp_path / "dfedge.toml"
    path.write_text('port = 1\nhost = "file"\nlog_level = "error"\nmodels = ["a", "b=2"]\n')
    return path


def test_arguments_go_before_environment_before_secrets_before_file(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each source fills in what those before it leave open."""
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "dfedge_server_host").write_text("secret\n")
    (secrets / "dfedge_server_s3_region").write_text("secret\n")
    monkeypatch.setenv(f"{PREFIX}SECRETS", str(secrets))
    monkeypatch.setenv(f"{PREFIX}HOST", "environment")
    monkeypatch.setenv(f"{PREFIX}PORT", "2")
    loaded = load_settings(config, port=3)
    assert (3, "environment", "secret", "error") == (
        loaded.port,
        loaded.host,
        loaded.s3_region,
        loaded.log_level,
    )


def test_lists_are_written_with_commas_or_as_json_or_toml(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the environment either way, in the file as TOML's."""
    assert ("a", "b=2") == load_settings(config).models
    monkeypatch.setenv(f"{PREFIX}MODELS", "c, d=2")
    assert ("c", "d=2") == load_settings(config).models
    monkeypatch.setenv(f"{PREFIX}MODELS", '["e", "f=2"]')
    assert ("e", "f=2") == load_settings(config).models


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compose files pass variables on that are not set."""
    monkeypatch.setenv(f"{PREFIX}MODEL_THREADS", "")
    assert load_settings().model_threads is None


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PORT", "http", r"setting port: .*valid integer.*DFEDGE_SERVER_PORT or the settings file"),
        ("PORT", "70000", r"setting port: .*less than or equal to 65535"),
        ("DEVICE", "tpu", r"setting device: .*'auto', 'cpu', 'cuda' or 'tensorrt'"),
        ("DATABASE_URL", "mysql://u:hush@h/n", r"setting database_url: give postgresql://"),
        ("DATABASE_URL", "/srv/x.sqlite", r"setting database_url: .* or nothing for SQLite"),
        ("PROT", "1", r"DFEDGE_SERVER_PROT: there is no such setting; did you mean .*_PORT\?"),
        ("NOTHING_LIKE_IT", "1", r"no such setting; docs/server.md lists all"),
        ("CONFIG", "/nowhere.toml", r"settings file /nowhere.toml: there is no such file"),
        ("SECRETS", "/nowhere", r"DFEDGE_SERVER_SECRETS /nowhere: there is no such folder"),
    ],
)
def test_what_cannot_work_is_named_with_the_way_out(
    name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence that names the setting; a value that may be secret is not repeated."""
    monkeypatch.setenv(f"{PREFIX}{name}", value)
    with pytest.raises(UsageError, match=said) as caught:
        load_settings()
    assert "hush" not in str(caught.value)


def test_a_mistake_in_the_file_is_named(config: Path) -> None:
    """A setting that is not there, and a file that is not TOML."""
    config.write_text("prot = 1")
    with pytest.raises(UsageError, match="setting prot: there is no such setting; did you mean"):
        load_settings(config)
    config.write_text("port: 1")
    with pytest.raises(UsageError, match=rf"settings file {config}: "):
        load_settings(config)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_usual_address_of_postgresql_is_taken(scheme: str) -> None:
    """SQLAlchemy is told the driver, DBOS gets the plain form."""
    loaded = Settings(database_url=f"{scheme}://user:word@host/name")
    assert not loaded.is_sqlite
    assert "postgresql+psycopg://user:word@host/name" == loaded.async_database_url
    assert "postgresql://user:word@host/name" == loaded.dbos_database_url


def test_secrets_are_not_shown(settings: Settings) -> None:
    """Neither by repr nor by str nor in a dump of all."""
    secrets: dict[str, Any] = {
        "database_url": "postgresql://user:hush@host/name",
        "s3_access_key_id": "hush",
        "s3_secret_access_key": "hush",
        "webhook_secret": "hush",
    }
    loaded = with_settings(settings, **secrets)
    assert "hush" not in f"{loaded!r} {loaded} {loaded.model_dump()}"
    assert "hush" == loaded.webhook_secret.get_secret_value()


def test_settings_do_not_change(settings: Settings) -> None:
    """What a part was given holds for all of its life."""
    with pytest.raises(ValidationError, match="frozen"):
        settings.port = 1


def test_the_data_folder_does_not_move_with_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative folder is taken from where the settings are read; ~ is the user's home."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert tmp_path / "data" == Settings(data_dir=Path("data")).data_dir
    assert Path("/home/somebody/data") == Settings(data_dir=Path("~/data")).data_dir
