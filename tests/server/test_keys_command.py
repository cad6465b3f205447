"""``dfedge keys``."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.server.conftest import environment

from dfedge.cli import main
from dfedge_server.db.engine import Database
from dfedge_server.security.keys import authenticate
from dfedge_server.security.principal import Principal, Scope
from dfedge_server.settings import Settings

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(
    each_settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Run ``dfedge keys`` on a new database of each kind: exit code, stdout, stderr."""
    for name, value in environment(each_settings).items():
        monkeypatch.setenv(name, value)

    def call(*words: str) -> tuple[int, str, str]:
        code = main(["keys", *words])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


def _made(run: Run, *words: str) -> dict[str, Any]:
    code, out, _ = run("create", *words, "--json")
    assert 0 == code
    values: dict[str, Any] = json.loads(out)
    return values


def _stands_for(settings: Settings, secret: str) -> Principal | None:
    async def look() -> Principal | None:
        database = Database(settings)
        async with database.reading() as session:
            found = await authenticate(session, secret)
        await database.close()
        return found

    return asyncio.run(look())


def test_a_key_is_made_in_a_new_database_and_shown_once(run: Run, each_settings: Settings) -> None:
    """The text works as a key; no later command shows it."""
    code, out, _ = run("create", "browser extension")
    assert 0 == code
    secret = next(line.strip() for line in out.splitlines() if line.startswith("  dfe_"))
    principal = _stands_for(each_settings, secret)
    assert principal is not None
    assert ("default", {Scope.ESCALATE, Scope.READ}) == (principal.tenant, principal.scopes)
    assert "Keep it now: it is not shown again." in out
    assert secret[13:] not in run("list")[1] + run("list", "--json")[1]


def test_every_option_of_a_key_is_kept(run: Run) -> None:
    """Tenant, scopes, rate and expiry, as the list then tells."""
    options = ("--tenant", "news", "--scope", "admin", "--scope", "read", "--rate", "5")
    made = _made(run, "desk", *options, "--expires", "90d")
    assert ("desk", "news", ["admin", "read"], 5, "works") == tuple(
        made[name] for name in ("name", "tenant", "scopes", "requests_per_minute", "state")
    )
    left = datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=89) < left <= timedelta(days=90)
    assert [{**made, "key": None}] == [
        {**row, "key": None} for row in json.loads(run("list", "--json")[1])
    ]


def test_a_key_may_end_at_the_start_of_a_day(run: Run) -> None:
    """UTC's day."""
    assert "2199-06-30T00:00:00+00:00" == _made(run, "a", "--expires", "2199-06-30")["expires_at"]


def test_keys_are_listed_by_tenant(run: Run) -> None:
    """A line each below the names of the columns; where there are none it says what makes one."""
    assert "there are no keys; dfedge keys create NAME makes one\n" == run("list")[1]
    first, second = _made(run, "a"), _made(run, "b", "--tenant", "other")
    lines = run("list")[1].splitlines()
    assert ["KEY", first["prefix"], second["prefix"]] == [line.split()[0] for line in lines]
    assert [second["prefix"]] == [
        row["prefix"] for row in json.loads(run("list", "--tenant", "other", "--json")[1])
    ]


def test_a_revoked_key_no_longer_works(run: Run, each_settings: Settings) -> None:
    """It stays in the list, as revoked; a second time there is nothing to revoke."""
    made = _made(run, "a")
    code, out, _ = run("revoke", made["prefix"], "--yes")
    assert (0, f"revoked {made['prefix']}: it works no more\n") == (code, out)
    assert _stands_for(each_settings, made["key"]) is None
    assert "revoked" == json.loads(run("list", "--json")[1])[0]["state"]
    code, _, err = run("revoke", made["prefix"], "--yes")
    assert 2 == code
    assert "was revoked on" in err


def test_rotation_leaves_both_keys_for_a_while(run: Run, each_settings: Settings) -> None:
    """The old one ends after the grace time; --grace 0m ends it now."""
    old = _made(run, "a")
    code, out, _ = run("rotate", old["prefix"], "--grace", "7d")
    assert 0 == code
    second_line = out.splitlines()[1]
    assert second_line.startswith(f"it takes the place of {old['prefix']}, which works until ")
    assert _stands_for(each_settings, old["key"]) is not None
    last = _made(run, "b")
    assert 0 == run("rotate", last["prefix"], "--grace", "0m", "--json")[0]
    assert _stands_for(each_settings, last["key"]) is None


@pytest.fixture
def on_sqlite(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """The same on SQLite alone, for what does not depend on the database."""
    monkeypatch.setenv("DFEDGE_SERVER_DATA_DIR", str(settings.data_dir))

    def call(*words: str) -> tuple[int, str, str]:
        code = main(["keys", *words])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


class Terminal(io.StringIO):
    """A user who types."""

    def isatty(self) -> bool:
        """Yes."""
        return True


@pytest.mark.parametrize(("typed", "code"), [("yes\n", 0), ("y\n", 0), ("\n", 2), ("no\n", 2)])
def test_revoking_asks_first(
    on_sqlite: Run,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    typed: str,
    code: int,
) -> None:
    """Only yes revokes; the question names the key."""
    made = _made(on_sqlite, "desk")
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    ended, out, err = on_sqlite("revoke", made["prefix"])
    assert code == ended
    assert f"Revoke {made['prefix']} (desk) of tenant default" in out
    assert (code == 2) == ("nothing was revoked" in err)
    assert (code == 0) == (_stands_for(settings, made["key"]) is None)


def test_revoking_where_nobody_can_be_asked_needs_yes(
    on_sqlite: Run, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script says --yes; without it nothing happens."""
    made = _made(on_sqlite, "desk")
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    code, _, err = on_sqlite("revoke", made["prefix"])
    assert 2 == code
    assert "--yes revokes without asking" in err
    assert _stands_for(settings, made["key"]) is not None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("create", "a", "--scope", "write"), "invalid choice: 'write'"),
        (("create", "a", "--expires", "tomorrow"), "nor a day such as 2027-06-30"),
        (("create", "a", "--expires", "2020-01-01"), "this is in the past"),
        (("create", "a", "--rate", "0"), "not a whole number from 1"),
        (("create", " "), "name ' ': give 1 to 100 printable characters"),
        (("rotate", "dfe_00000000"), "there is no such key; dfedge keys list shows all"),
        (("rotate", "a", "--grace", "1y"), "not a time such as 30m, 12h, 7d or 4w"),
        (("revoke", "x", "--yes"), "x: there is no such key"),
        (("list", "--config", "/nowhere.toml"), "settings file /nowhere.toml"),
        (("list", "--data-dir", "/proc/nowhere"), "setting data_dir /proc/nowhere"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(
    on_sqlite: Run, words: tuple[str, ...], said: str
) -> None:
    """Exit code 2, nothing on stdout."""
    code, out, err = on_sqlite(*words)
    assert (2, "") == (code, out)
    assert said in err


def test_the_settings_file_of_the_server_names_the_database(
    on_sqlite: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--config reads the same file as dfedge serve."""
    monkeypatch.delenv("DFEDGE_SERVER_DATA_DIR")
    config = tmp_path / "dfedge.toml"
    config.write_text(f'data_dir = "{tmp_path / "elsewhere"}"\n')
    _made(on_sqlite, "a", "--config", str(config))
    assert (tmp_path / "elsewhere" / "dfedge.sqlite").is_file()
