"""Which models judge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from dfedge.bundles import store
from dfedge.bundles.card import DetectorCard
from dfedge.errors import BundleFormatError, BundleNotFoundError, UsageError
from dfedge_server.heavy.choice import FALLBACK, HEAVY_BYTES, choose, is_heavy, notes_on
from dfedge_server.heavy.tier import policy_sha256
from dfedge_server.settings import Settings


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No bundle but those that ship."""
    monkeypatch.setenv("DFEDGE_HOME", str(tmp_path / "home"))


def test_without_a_heavier_model_the_shipped_one_judges() -> None:
    """In float32, and a note says so."""
    (chosen,) = choose(Settings())
    assert (FALLBACK, 1.0, False) == (chosen.card.name, chosen.weight, chosen.heavy)
    (note,) = notes_on((chosen,))
    assert note.startswith("No heavier model is installed")


def test_all_installed_heavier_models_judge(tiny: dict[str, Path]) -> None:
    """Those for devices do not, once there is a heavier one."""
    store.install(tiny["four"])
    store.install(tiny["one"])
    chosen = choose(Settings())
    assert ["four"] == [each.card.name for each in chosen]
    assert () == notes_on(chosen)


def test_weights_are_given_with_the_names(tiny: dict[str, Path]) -> None:
    """By name or path; without one it is 1."""
    chosen = choose(Settings(models=(f"{tiny['one']}=2.5", "dfedge-b0")))
    assert [("one", 2.5), ("dfedge-b0", 1.0)] == [(each.card.name, each.weight) for each in chosen]


@pytest.mark.parametrize("weight", ["0", "-1", "nan", "inf"])
def test_a_weight_is_greater_than_nothing(weight: str) -> None:
    """The setting is named."""
    with pytest.raises(UsageError, match="setting models: dfedge-b0="):
        choose(Settings(models=(f"dfedge-b0={weight}",)))


def test_models_that_cannot_be_used_are_refused(bundle_maker: Any) -> None:
    """Not there, there twice, or of other faces."""
    with pytest.raises(BundleNotFoundError):
        choose(Settings(models=("no-such-model",)))
    with pytest.raises(UsageError, match="twice"):
        choose(Settings(models=("dfedge-b0", "dfedge-b0=2")))
    with pytest.raises(BundleFormatError, match="tiny-faces"):
        choose(Settings(models=(str(bundle_maker.detector()),)))


def test_heavy_is_decided_by_the_card(analysis_maker: Any) -> None:
    """Large or of several frames, in float32, and not made for devices."""
    card: DetectorCard = analysis_maker.card()
    change = msgspec.structs.replace
    large = change(card, files=(change(card.files[0], size_bytes=HEAVY_BYTES), *card.files[1:]))
    assert not is_heavy(card)
    assert is_heavy(large)
    assert is_heavy(change(card, input=change(card.input, frames=4)))
    raw = msgspec.to_builtins(large)
    mobile = msgspec.convert({**raw, "deployment": {"target": "mobile"}}, DetectorCard)
    fidelity = {
        "logit_correlation": 1.0,
        "sign_agreement": 1.0,
        "max_probability_change": 0.0,
        "data": "none",
    }
    smaller = {"recipe": "none", "reference_sha256": "ab" * 32, "fidelity": fidelity}
    assert not is_heavy(mobile)
    assert not is_heavy(msgspec.convert({**raw, "quantization": smaller}, DetectorCard))


def test_the_policy_stands_for_all_that_decides(tiny: dict[str, Path]) -> None:
    """Models, weights and frames change it; where things lie does not."""
    base = Settings(models=("dfedge-b0",))
    others = [
        {"models": ("dfedge-b0=2",)},
        {"models": ("dfedge-b0-int8",)},
        {"models": ("dfedge-b0", str(tiny["one"]))},
        {"device_weight": 0.1},
        {"frames": 7},
        {"max_frames": 7},
        {"heatmaps": 2},
    ]
    seen = {policy_sha256(base), *(policy_sha256(base.model_copy(update=o)) for o in others)}
    assert 1 + len(others) == len(seen)
    assert all(64 == len(each) for each in seen)
    assert policy_sha256(base) == policy_sha256(base.model_copy(update={"port": 9}))
