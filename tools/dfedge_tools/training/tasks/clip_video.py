"""The CLIP-L detector of clips: adapters and a head learn, CLIP's tower stands still.

After the model card of Arko007/deepfake-detector-dfd-sota; :class:`ClipStage` says which numbers
are its. Class 1 is *fake*.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from dfedge.errors import UsageError
from dfedge_models import CLIPVideoDetector
from dfedge_tools.data.manifest import Split
from dfedge_tools.evaluating.scores import Scored
from dfedge_tools.training.config import Phase
from dfedge_tools.training.groups import parameter_groups
from dfedge_tools.training.stores import Crops
from dfedge_tools.training.task import Loss, ParameterGroup
from dfedge_tools.training.tasks.clip_video_batches import (
    ClipBatch,
    ClipBatches,
    even_frames,
    whole_pictures,
)
from dfedge_tools.training.tasks.pictures import normalized
from dfedge_tools.training.tasks.rows import Balanced, by_clip, rows_of
from dfedge_tools.training.tasks.scoring import auc, scored
from dfedge_tools.training.tasks.stages import ClipStage
from dfedge_tools.training.tasks.starting import load_initial, load_stage_before


class ClipNetwork(nn.Module):
    """The detector, as what is trained; `detector` is what ships."""

    def __init__(self, detector: CLIPVideoDetector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """(B, T, 3, S, S) normalized -> (B, 2), logits of *real* and *fake*."""
        logits: torch.Tensor = self.detector(clips)
        return logits


class ClipVideoTask:
    """See :class:`dfedge_tools.training.task.Task`.

    Raises:
        UsageError: The train split has not clips of both classes.
    """

    def __init__(self, stage: ClipStage, crops: Crops, start_from: Path | None = None) -> None:
        self.stage = stage
        self.crops = crops
        self.start_from = start_from
        self.data = ClipBatches(stage, crops)
        with torch.device("meta"):
            self.signature = self._detector().signature

    @property
    def phases(self) -> Sequence[Phase]:
        """The tower never learns."""
        return (Phase(0, frozen=("detector.tower",)),)

    def network(self) -> ClipNetwork:
        """A seeded detector, with the initial weights over it.

        Raises:
            UsageError: There are none, or they do not fit.
        """
        if self.start_from is None and not self.stage.initial:
            raise UsageError(
                "the tower of this detector does not learn, so it needs CLIP's weights: give "
                "--set initial=FILE with those of openai/clip-vit-large-patch14, or "
                "--set initial=random to try the program on noise"
            )
        torch.manual_seed(self.stage.seed)
        detector = self._detector()
        net = ClipNetwork(detector)
        if self.start_from is None:
            load_initial(detector, self.stage.initial, detector.load_backbone)
        load_stage_before(net, self.start_from)
        return net

    def groups(self, net: nn.Module) -> list[ParameterGroup]:
        """Adapters and head."""
        learning = {name: net.get_submodule(f"detector.{name}") for name in ("adapters", "head")}
        return parameter_groups(nn.ModuleDict(learning), self.stage.parts)

    def batches(self, *, team_size: int) -> Dataset[ClipBatch]:
        """Batches by number; the size of the team makes no difference to them."""
        return self.data

    def loss(self, net: nn.Module, batch: ClipBatch) -> Loss:
        """Cross entropy with smoothed labels."""
        logits = net(normalized(batch.clips, self.signature)).float()
        smoothing = self.stage.label_smoothing
        entropy = F.cross_entropy(logits, batch.classes, label_smoothing=smoothing)
        right = (logits.argmax(dim=1) == batch.classes).float().mean()
        return Loss(entropy, {"cls": entropy.detach(), "acc": right})

    def validate(self, net: nn.Module) -> dict[str, float]:
        """AUC over clips (``score``), and the share of each class that is recognized.

        Raises:
            UsageError: The val split has not clips of both classes.
        """
        found = self._score(net, "val")
        Balanced.of((row, row.label) for row in found).need_both("clips in split val")
        score = auc([row.label for row in found], [row.logit for row in found])
        assert score is not None
        genuine = [row.logit for row in found if row.label == 0]
        fake = [row.logit for row in found if row.label == 1]
        return {
            "score": score,
            "genuine_right": sum(logit <= 0 for logit in genuine) / len(genuine),
            "fake_right": sum(logit > 0 for logit in fake) / len(fake),
        }

    def scores(self, net: nn.Module) -> list[Scored]:
        """Log-odds of *fake* of every clip in val and held, a row each."""
        return self._score(net, "val", "held")

    def weights(self, net: nn.Module) -> dict[str, torch.Tensor]:
        """The detector's, the tower among them."""
        return dict(net.get_submodule("detector").state_dict())

    @torch.inference_mode()
    def _score(self, net: nn.Module, *splits: Split) -> list[Scored]:
        net.eval()
        device = next(net.parameters()).device
        found = []
        for rows in by_clip(self.crops, rows_of(self.crops, *splits)).values():
            chosen = even_frames(rows, self.stage.frames)
            clip = whole_pictures(self.crops, chosen, self.stage.img_size)[None].to(device)
            logits = net(normalized(clip, self.signature)).float().cpu()
            logit = float(self.signature.fake_log_odds(logits))
            found.append(scored(self.crops.rows[rows[0]].sample, logit))
        return found

    def _detector(self) -> CLIPVideoDetector:
        stage = self.stage
        detector = CLIPVideoDetector(
            img_size=stage.img_size, frames=stage.frames, depth=stage.depth
        )
        detector.recomputes = stage.recompute
        return detector
