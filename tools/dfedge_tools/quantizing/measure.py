"""What a smaller graph costs: its scores beside those of the graph it was made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from dfedge.bundles.card import DetectorCard
from dfedge.bundles.opset import import_onnxruntime
from dfedge.scoring import fake_logits, judge_probability
from dfedge.types import Tensor
from dfedge_tools.faceset import FaceSet
from dfedge_tools.fidelity import Agreement, Check, Floats, Limits, agreement, probabilities
from dfedge_tools.scorers import BATCH

Places: TypeAlias = npt.NDArray[np.intp]
Score: TypeAlias = Callable[[Tensor], Floats]
"""Inputs (N, ...) in, log-odds of *fake* (N,) out."""
NOTHING: Mapping[str, Tensor] = MappingProxyType({})


class GraphScorer:
    """A graph that is in no bundle yet, in ONNX Runtime on the CPU.

    Args:
        graph: bytes of a ``model.onnx``.
        card: of the bundle it is to be in.
        threads: of one run.
    """

    def __init__(self, graph: bytes, card: DetectorCard, *, threads: int = 1) -> None:
        runtime = import_onnxruntime()
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._card = card
        self._session = runtime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def log_odds(self, inputs: Tensor, weights: Mapping[str, Tensor] = NOTHING) -> Floats:
        """(N,) log-odds of *fake*, before calibration, of inputs (N, ...).

        Args:
            weights: further inputs of the graph, the same for each batch.
        """
        batch = batch_of(self._card)
        parts = []
        for start in range(0, len(inputs), batch):
            feeds = {self._card.input.name: inputs[start : start + batch], **weights}
            (outputs,) = self._session.run([self._card.output.name], feeds)
            parts.append(fake_logits(np.asarray(outputs, np.float32), self._card.output))
        return np.concatenate(parts).astype(np.float64)


def batch_of(card: DetectorCard) -> int:
    """Inputs scored at once."""
    return BATCH if card.input.frames == 1 else 1


@dataclass(frozen=True, slots=True)
class Trial:
    """Whether a graph keeps limits.

    Attributes:
        why: what it breaks; empty when it keeps them.
        agreement: None when the trial ended early, being lost.
    """

    kept: bool
    why: str
    agreement: Agreement | None


class Judge:
    """Compares forms of a model with their reference, on the same inputs.

    Args:
        reference: bytes of the float32 graph; its session is closed before any other is opened.
        card: whose calibration and thresholds make verdicts of both.
        faces: the inputs.
        threads: of one run.
    """

    def __init__(
        self, reference: bytes, card: DetectorCard, faces: FaceSet, *, threads: int = 1
    ) -> None:
        self.card = card
        self.faces = faces
        self.threads = threads
        self.before = self.scorer(reference).log_odds(faces.inputs)
        self._p_before = probabilities(self.before, card.decision)
        self._order = np.arange(len(faces.inputs))

    def scorer(self, graph: bytes) -> GraphScorer:
        """Of one graph."""
        return GraphScorer(graph, self.card, threads=self.threads)

    def some_inputs(self, count: int) -> Tensor:
        """At most `count` of the inputs, evenly chosen."""
        total = len(self.faces.inputs)
        count = min(count, total)
        return self.faces.inputs[[index * total // count for index in range(count)]]

    def measure(self, graph: bytes) -> Agreement:
        """How well a graph agrees with the reference, on all inputs."""
        after = self.scorer(graph).log_odds(self.faces.inputs)
        return agreement(self.before, after, self.faces, self.card)

    def keeps(self, score: Score, limits: Limits) -> Trial:
        """Whether a form keeps limits on all inputs.

        Inputs that earlier forms moved most come first, and the trial ends when it is lost.
        """
        total, batch = len(self.before), batch_of(self.card)
        after = np.full(total, np.nan)
        for start in range(0, total, batch):
            places = self._order[start : start + batch]
            after[places] = score(self.faces.inputs[places])
            seen = self._order[: start + batch]
            problem = self._lost(after[seen], seen, limits)
            if problem and len(seen) < total:
                return Trial(kept=False, why=problem, agreement=None)
        changes, flips, moves = self._changes(after, np.arange(total))
        self._order = np.argsort(-(changes + flips + moves), kind="stable")
        found = agreement(self.before, after, self.faces, self.card)
        problems = limits.failures(found)
        return Trial(kept=not problems, why="; ".join(problems), agreement=found)

    def _lost(self, after: Floats, places: Places, limits: Limits) -> str:
        """Why the inputs at some places alone break limits on all; empty if they do not."""
        changes, flips, moves = self._changes(after, places)
        largest, total = changes.max(), len(self.before)
        if limits.max_probability_change is not None and (
            not largest <= limits.max_probability_change
        ):
            return f"probability change is {largest:.3g} or more"
        for word, count, limit in (
            ("sign", flips.sum(), limits.min_sign_agreement),
            ("label", moves.sum(), limits.min_label_agreement),
        ):
            if limit is not None and 1 - count / total < limit:
                return f"{word} agreement is {1 - count / total:.4f} or less"
        return ""

    def _changes(self, after: Floats, places: Places) -> tuple[Floats, Floats, Floats]:
        """Of some inputs: change of probability, whether the sign flips, whether the label does."""
        p, before = probabilities(after, self.card.decision), self._p_before[places]
        labels = self._labels(p) != self._labels(before)
        return np.abs(p - before), ((p >= 0.5) != (before >= 0.5)).astype(float), labels * 1.0

    def _labels(self, probabilities: Floats) -> npt.NDArray[np.str_]:
        decision = self.card.decision
        return np.asarray([judge_probability(float(p), decision).label for p in probabilities])


def worst(found: Agreement, limits: Limits) -> Check | None:
    """The figure that is nearest to its limit, or furthest over it; None if nothing is limited."""
    checks = [check for check in limits.checks(found) if check.kept is not None]
    return max(checks, key=_used, default=None)


def _used(check: Check) -> float:
    """The share of what a limit allows that is used up."""
    assert check.value is not None
    assert check.limit is not None
    value, limit = check.value, check.limit
    if check.is_lowest:
        value, limit = 1 - value, 1 - limit
    return value / limit if limit > 0 else (0.0 if value <= 0 else float("inf"))
