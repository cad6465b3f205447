"""Both networks of GenConViT as one model, and the score that the paper gives a clip."""

from __future__ import annotations

import torch

from dfedge_models.detector import DetectorModel, Shapes
from dfedge_models.genconvit import (
    CLASSES,
    IMG_SIZE,
    GenConViTED,
    GenConViTVAE,
    genconvit_signature,
)
from dfedge_models.mixture import mixture_logit
from dfedge_models.signature import ModelSignature


class GenConViTEnsemble(DetectorModel):
    """The paper's GenConViT: the mean of what networks A and B say, class by class.

    Each output is the logit of the mean of the two networks' sigmoids. Their mean over frames, as
    the signature's aggregation takes it, is therefore the paper's score of the class. One thing is
    added to it: the paper compares the scores of *fake* and *real* and reports the larger, which
    need not sum to 1; a probability of *fake* divides its score by the sum of both. Frame by frame
    the verdict is the same.

    A published checkpoint of it is two: the entries of network A after ``ed.``, those of network B
    after ``vae.``.

    Args:
        img_size: side of the input, pixels; 224 for the published weights.
    """

    def __init__(self, *, img_size: int = IMG_SIZE) -> None:
        super().__init__()
        self.img_size = img_size
        self.ed = GenConViTED(img_size=img_size)
        self.vae = GenConViTVAE(img_size=img_size)

    @property
    def signature(self) -> ModelSignature:
        """That of its networks."""
        return genconvit_signature(self.img_size)

    def forward(
        self,
        x: torch.Tensor,
        *,
        sample_latent: bool = False,
        generator: torch.Generator | None = None,
    ) -> torch.Tensor:
        """(B, 3, S, S) -> (B, 2); options are those of :meth:`GenConViTVAE.forward`."""
        drawn = self.vae(x, sample_latent=sample_latent, generator=generator)
        return mixture_logit((self.ed(x), drawn), (0.5, 0.5))

    def official_entries(self) -> Shapes:
        """Those of both networks."""
        ed, vae = self.ed.official_entries(), self.vae.official_entries()
        return {f"ed.{name}": shape for name, shape in ed.items()} | {
            f"vae.{name}": shape for name, shape in vae.items()
        }


def genconvit(*, img_size: int = IMG_SIZE) -> GenConViTEnsemble:
    """Networks A and B as one: 374 million parameters at 224 px."""
    return GenConViTEnsemble(img_size=img_size)


def published_clip_score(*logits: torch.Tensor) -> tuple[str, float]:
    """The verdict on a clip as the paper gives it.

    Sigmoids of both logits, their mean over the frames and over the networks, and the larger.

    Args:
        logits: (frames, 2) of each network, or of one alone.

    Returns:
        The class and its score in [0, 1]; *fake* where both are equal.
    """
    scores = torch.stack([each.sigmoid().mean(dim=0) for each in logits]).mean(dim=0)
    best = int(scores.argmax())
    return CLASSES[best], float(scores[best])
