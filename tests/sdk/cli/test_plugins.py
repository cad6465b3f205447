"""Subcommands of other packages."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from dfedge.cli import main, plugins


def test_a_package_that_cannot_be_loaded_leaves_the_other_commands_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its own command says which module is broken; the rest works."""
    broken = EntryPoint("mend", "no_such_package_anywhere", plugins.COMMANDS)
    monkeypatch.setattr(plugins, "entry_points", lambda group: [broken])
    assert main(["models", "list"]) == 0
    capsys.readouterr()
    assert main(["mend", "--anything"]) == 2
    assert "no_such_package_anywhere" in capsys.readouterr().err
