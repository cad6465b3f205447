"""What a caller may ask for, and that the key stays where it belongs."""

from __future__ import annotations

from typing import Any

import pytest

from dfedge.errors import UsageError
from dfedge.escalation.client import EscalationClient
from dfedge.escalation.options import EscalationOptions


@pytest.mark.parametrize(
    "server",
    [
        "dfedge.example.org",
        "ftp://dfedge.example.org",
        "https://",
        "https://user:secret@dfedge.example.org",
        "https://dfedge.example.org/?key=1",
        "https://dfedge.example.org/#here",
        "https://dfedge.example.org/a b",
        "https://dfedge.example.org:port",
        "https://dfedge.example.org/\x1b[2J",
        "https://[::1",
    ],
)
def test_what_is_no_plain_address_is_refused(server: str) -> None:
    """With a sentence, which repeats no password and moves no cursor."""
    with pytest.raises(UsageError, match="escalate") as caught:
        EscalationOptions(server)
    assert "secret" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("host", ["dfedge.example.org", "10.0.0.7", "127.0.0.1.example.org"])
def test_http_is_for_this_machine_only(host: str) -> None:
    """Key and faces do not cross a network unencrypted unless that is allowed."""
    with pytest.raises(UsageError, match="unencrypted"):
        EscalationOptions(f"http://{host}")
    assert EscalationOptions(f"http://{host}", allow_http=True).server == f"http://{host}"


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:8000", "127.9.9.9", "[::1]:8000"])
def test_http_to_this_machine_needs_no_permission(host: str) -> None:
    """Nothing leaves it."""
    assert EscalationOptions(f"http://{host}/").server == f"http://{host}"


@pytest.mark.parametrize("wrong", [{"what": "frames"}, {"when": "never"}, {"timeout_seconds": 0.0}])
def test_a_value_that_cannot_work_is_refused(wrong: dict[str, Any]) -> None:
    """By its name."""
    with pytest.raises(UsageError, match=next(iter(wrong))):
        EscalationOptions("https://dfedge.example.org", **wrong)


def test_the_key_comes_from_the_call_or_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The call goes before the options, and they before the environment."""
    options = EscalationOptions("https://dfedge.example.org")
    monkeypatch.delenv("DFEDGE_API_KEY", raising=False)
    with pytest.raises(UsageError, match="DFEDGE_API_KEY"):
        options.with_key(None)
    monkeypatch.setenv("DFEDGE_API_KEY", " dfe_env \n")
    assert options.with_key(None).api_key == "dfe_env"
    own = EscalationOptions("https://dfedge.example.org", api_key="dfe_own")
    assert own.with_key(None).api_key == "dfe_own"
    assert own.with_key("dfe_call").api_key == "dfe_call"


@pytest.mark.parametrize("key", ["two\nlines", "a\r\nX-Other: header", "schlüssel", "a b"])
def test_what_cannot_be_a_key_is_refused_and_not_repeated(key: str) -> None:
    """A line break in a key would be a header of the caller's choice."""
    with pytest.raises(UsageError, match="key") as caught:
        EscalationOptions("https://dfedge.example.org").with_key(key)
    assert key not in str(caught.value)


def test_the_key_is_never_shown() -> None:
    """Neither options nor client tell it."""
    options = EscalationOptions("https://dfedge.example.org", api_key="dfe_secret")
    client = EscalationClient(options.server, "dfe_secret")
    assert "dfe_secret" not in f"{options!r} {options} {client!r} {client}"
