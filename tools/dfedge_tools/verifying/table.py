"""A verification as text: a line a figure, with its limit and whether it is kept."""

from __future__ import annotations

from collections.abc import Iterator

from dfedge.report.wording import printable
from dfedge_tools.fidelity import Agreement, Check
from dfedge_tools.verifying.sides import Side
from dfedge_tools.verifying.verification import Verification

NAMES = {
    "max_logit_error": "largest logit error",
    "min_correlation": "logit correlation",
    "min_sign_agreement": "same side of 50%",
    "min_label_agreement": "same label",
    "max_probability_change": "largest change of P(fake)",
    "max_auc_change": "change of AUC, either way",
    "max_calibration_change": "rise of calibration error",
}
"""Of the fields of :class:`Limits`, in words."""
SHARES = frozenset({"min_sign_agreement", "min_label_agreement"})
WORST_SHOWN = 3
WORTH_SHOWING = 0.01
"""Change of a probability under which a disagreement is not worth a line."""


def render(found: Verification) -> str:
    """Several lines, ending in a newline."""
    lines = [
        f"reference  {_side(found.reference)}",
        f"candidate  {_side(found.candidate)}",
        f"data       {_data(found)}",
        "",
        *_table(found),
        "",
    ]
    lines += [f"input differs: {difference}" for difference in found.input_differences]
    lines += found.notes
    lines += _worst(found)
    if found.passed:
        lines.append("PASSED: all limits are kept")
    else:
        lines += ["FAILED:", *(f"  {failure}" for failure in found.failures)]
    return "\n".join(printable(line).rstrip() for line in lines) + "\n"


def _side(side: Side) -> str:
    return f"{side.name}, {side.size_bytes / 1e6:.1f} MB, by {side.runtime}"


def _data(found: Verification) -> str:
    text = found.inputs.data
    if found.clips is not None:
        text += f", of {found.clips.count} clips"
    if found.missed:
        text += f"; {found.missed} pictures without a face left out"
    return text


def _table(found: Verification) -> Iterator[str]:
    levels: list[tuple[str, Agreement]] = [(found.unit, found.inputs)]
    if found.clips is not None:
        levels.append(("clips", found.clips))
    heads = "".join(f"{name:>12}" for name, _ in levels)
    yield f"{'':27}{heads}  {'limit':>10}"
    yield _line("mean logit error", [f"{agreed.mean_logit_error:.3g}" for _, agreed in levels])
    checks = [found.limits.checks(agreed) for _, agreed in levels]
    for row in zip(*checks, strict=True):
        cells = [_value(check) for check in row]
        yield _line(NAMES[row[0].name], cells, _limit(row[0]), _mark(row))
    for name, measured in (("AUC", "auc"), ("calibration error", "calibration_error")):
        pairs = [getattr(agreed, measured) for _, agreed in levels]
        for place, side in enumerate(("reference", "candidate")):
            if None not in pairs:
                yield _line(f"{name}, {side}", [f"{pair[place]:.4f}" for pair in pairs])


def _line(name: str, cells: list[str], limit: str = "", mark: str = "") -> str:
    return f"{name:27}{''.join(f'{cell:>12}' for cell in cells)}  {limit:>10}  {mark}"


def _value(check: Check) -> str:
    if check.value is None:
        return "-"
    if check.name in SHARES:
        return f"{check.value:.2%}"
    return f"{check.value:.6f}" if check.name == "min_correlation" else f"{check.value:.4g}"


def _limit(check: Check) -> str:
    if check.limit is None:
        return "none"
    limit = f"{check.limit:.4g}"
    if check.name in SHARES:
        limit = f"{check.limit * 100:.4g}%"
    return f"{'>=' if check.is_lowest else '<='} {limit}"


def _mark(row: tuple[Check, ...]) -> str:
    kept = {check.kept for check in row}
    if False in kept:
        return "FAIL"
    if True in kept:
        return "pass"
    return "" if row[0].limit is None else "not measured"


def _worst(found: Verification) -> Iterator[str]:
    """Verdicts that change, and faces whose probability changes much."""
    faces = [entry for entry in found.worst if entry.picture is not None]
    for what, entries in (("clip", found.worst_clips), ("face", faces)):
        for entry in entries[:WORST_SHOWN]:
            if entry.is_relabelled or entry.change >= WORTH_SHOWING:
                name = entry.clip if entry.picture is None else str(entry.picture)
                before, after = entry.fake_probabilities
                first, second = entry.labels
                yield f"{what} {name}: P(fake) {before:.1%} {first} -> {after:.1%} {second}"
