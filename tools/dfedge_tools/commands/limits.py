"""Options for what two forms of a model must keep, the same in every command that compares."""

from __future__ import annotations

import argparse

LIMITS: dict[str, tuple[str, float | None]] = {
    "max_logit_error": ("largest difference of a logit", None),
    "min_correlation": ("Pearson's correlation of logits", 0.999),
    "min_sign_agreement": ("share of faces on the same side of P(fake) = 0.5", 0.995),
    "min_label_agreement": ("share of faces with the same label", 0.98),
    "max_probability_change": ("largest change of a calibrated P(fake)", 0.02),
    "max_auc_change": ("change of the AUC, up or down; needs labels", 0.003),
    "max_calibration_change": ("rise of the calibration error; needs labels", 0.01),
}
"""The fields of :class:`dfedge_tools.fidelity.Limits`, in words and with their defaults; a test
holds the two together."""


def add_limit_options(group: argparse._ArgumentGroup, *, show_defaults: bool) -> None:
    """Add an option a limit; one that is not given leaves no trace in the arguments."""
    for name, (meaning, usual) in LIMITS.items():
        default = f" (default: {'none' if usual is None else usual})" if show_defaults else ""
        group.add_argument(
            f"--{name.replace('_', '-')}",
            type=_limit,
            metavar="X",
            help=meaning + default,
            default=argparse.SUPPRESS,
        )


def given_limits(args: argparse.Namespace) -> dict[str, float | None]:
    """The limits that were given, by field of :class:`dfedge_tools.fidelity.Limits`."""
    return {name: getattr(args, name) for name in LIMITS if name in args}


def _limit(text: str) -> float | None:
    """A number from 0, or none."""
    if text.lower() == "none":
        return None
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number from 0 nor none")
    return number
