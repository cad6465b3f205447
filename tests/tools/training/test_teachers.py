"""Distillation: what a teacher says of a picture, and what of it the student learns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import dfedge_models
from dfedge.errors import UsageError
from dfedge_tools.data.store import CropStore
from dfedge_tools.training.config import Distillation, FrameStage, LoopConfig, Mix
from dfedge_tools.training.tasks.frames import FrameTask
from dfedge_tools.training.teachers import BundleTeacher, distilled_loss, open_teacher
from dfedge_tools.training.validate import normalize

STUDENT = FrameStage(
    name="student",
    architecture="dfedge_convnext_atto",
    side=32,
    blend_side=64,
    label_smoothing=0.0,
    mask_weight=0.0,
    mix=Mix(1, 1, 1, (("meb", 1.0),)),
    loop=LoopConfig(steps=1),
)


@pytest.fixture
def teacher(tmp_path: Path) -> Distillation:
    """Weights of a ConvNeXt-Atto at 64 px."""
    torch.manual_seed(3)
    net = dfedge_models.create("dfedge_convnext_atto", img_size=64)
    torch.save(net.state_dict(), tmp_path / "teacher.pt")
    return Distillation(
        teacher=str(tmp_path / "teacher.pt"), architecture="dfedge_convnext_atto", side=64
    )


def _pictures(side: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (2, 3, side, side), dtype=torch.uint8, generator=generator)


def test_torch_teacher_is_its_network(teacher: Distillation) -> None:
    """At its own side the teacher's logits are those of its network in eval mode."""
    net = dfedge_models.create("dfedge_convnext_atto", img_size=64).eval()
    net.load_state_dict(torch.load(teacher.teacher, weights_only=True))
    pictures = _pictures(64)
    with torch.no_grad():
        expected = net(normalize(pictures))[:, 0]
    logits = open_teacher(teacher).logits(pictures)
    assert torch.allclose(expected, logits, atol=1e-5)
    assert not logits.requires_grad


def test_bundle_teacher_looks_at_any_size() -> None:
    """A bundle gives one finite logit a picture, at its own side or another."""
    bundle = BundleTeacher("dfedge-b0")
    for side in (64, 160):
        logits = bundle.logits(_pictures(side))
        assert (2,) == tuple(logits.shape)
        assert bool(logits.isfinite().all())


def test_clips_are_no_pictures() -> None:
    """A teacher that looks at several frames at once is refused."""
    with pytest.raises(UsageError, match="frames at once"):
        open_teacher(Distillation(teacher="x.pt", architecture="dfd_clip_l"))


def test_unknown_architecture_is_told(teacher: Distillation) -> None:
    """A wrong architecture names the key and what there is."""
    with pytest.raises(UsageError, match=r"distillation\.architecture: .* there are ms_eff_gcvit"):
        open_teacher(replace(teacher, architecture="resnet"))


def test_loss_by_hand() -> None:
    """Hard and soft loss are mixed by the weight; the soft one is scaled by the temperature."""
    config = Distillation(weight=0.25, temperature=2.0)
    student, wise = torch.zeros(1), torch.full((1,), 1000.0)
    loss = distilled_loss(torch.tensor(1.0), student, wise, config)
    assert pytest.approx(0.75 + 0.25 * 4 * 0.693147, rel=1e-5) == loss.item()


def test_student_follows_its_teacher(tiny_store: CropStore, teacher: Distillation) -> None:
    """With all weight on the teacher the gradient leads to its logits, whatever the labels are."""
    stage = replace(STUDENT, distillation=replace(teacher, weight=1.0, temperature=1.0))
    task = FrameTask(stage, tiny_store)
    batch = task.batches(team_size=1)[0]
    wise = open_teacher(stage.distillation).logits(batch.images)

    class Copy(torch.nn.Module):
        """Gives what it was told, and no mask."""

        def __init__(self, logits: torch.Tensor) -> None:
            super().__init__()
            self.logits = torch.nn.Parameter(logits)

        def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            """Ignores the pictures."""
            return self.logits, torch.zeros_like(batch.masks)

    def gradient(offset: float) -> torch.Tensor:
        net = Copy(wise + offset)
        task.loss(net, batch).total.backward()  # type: ignore[no-untyped-call]
        assert net.logits.grad is not None
        return net.logits.grad

    assert gradient(0.0).abs().max() < 1e-6
    assert gradient(1.0).min() > 1e-3
    assert gradient(-1.0).max() < -1e-3
