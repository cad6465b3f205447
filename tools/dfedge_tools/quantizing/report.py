"""What ``dfedge quantize`` prints."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import msgspec

from dfedge.bundles.card import DetectorCard
from dfedge_tools.fidelity import Agreement
from dfedge_tools.quantizing.compare import Comparison
from dfedge_tools.quantizing.job import Made
from dfedge_tools.quantizing.search import Found


def made_text(made: Made) -> str:
    """What was written, and how well it agrees."""
    before, after = (model_bytes(card) / 1e6 for card in (made.source, made.card))
    lines = [] if made.found is None else [*_path(made.found), ""]
    lines += [
        f"{made.folder}: {made.card.name} {made.card.version}, {before:.1f} MB -> {after:.1f} MB",
        *agreement_lines(made.agreement),
    ]
    lines += [f"OUTSIDE THE LIMITS: {problem}" for problem in made.problems]
    return "\n".join(lines)


def made_json(made: Made) -> dict[str, Any]:
    """The same as values."""
    return {
        "path": str(made.folder),
        "name": made.card.name,
        "size_bytes": model_bytes(made.card),
        "source": {"name": made.source.name, "size_bytes": model_bytes(made.source)},
        "recipe": msgspec.to_builtins(made.recipe),
        "agreement": made.agreement.as_json(),
        "problems": list(made.problems),
        "search": None
        if made.found is None
        else {
            "steps": [asdict(step) for step in made.found.steps],
            "left_out": dict(zip(made.found.left_out, made.found.needed, strict=True)),
        },
    }


def agreement_lines(found: Agreement) -> list[str]:
    """An agreement in words."""
    logits = (
        f"on {found.data}: logit correlation {found.logit_correlation:.6f}, same sign "
        f"{found.sign_agreement:.1%}, same label {found.label_agreement:.1%}, largest change of a "
        f"probability {found.max_probability_change:.4f}"
    )
    lines = [logits]
    if found.auc is not None and found.calibration_change is not None:
        lines.append(
            f"AUC {found.auc[0]:.4f} -> {found.auc[1]:.4f}, change of the calibration error "
            f"{found.calibration_change:+.4f}"
        )
    if "noise" in found.data:
        lines.append("Noise tests the arithmetic only; give --faces to learn how faces are judged.")
    return lines


def comparison_text(found: Comparison) -> str:
    """A table of recipes."""
    head = ("RECIPE", "MB", "CORRELATION", "SIGN", "LABEL", "CHANGE", "AUC", "MS", "TIME", "LIMITS")
    size = f"{found.size_bytes / 1e6:.1f}"
    table = [head, ("float32", size, "1", "1", "1", "0", "0", f"{found.ms:.1f}", "1", "")]
    for row in found.rows:
        agreement = row.agreement
        change = agreement.auc_change
        table.append(
            (
                row.recipe.name,
                f"{row.size_bytes / 1e6:.1f}",
                f"{agreement.logit_correlation:.5f}",
                f"{agreement.sign_agreement:.4f}",
                f"{agreement.label_agreement:.4f}",
                f"{agreement.max_probability_change:.4f}",
                "-" if change is None else f"{change:+.4f}",
                f"{row.ms:.1f}",
                f"{row.ratio:.2f}",
                "outside" if row.problems else "kept",
            )
        )
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in table
    ]
    return "\n".join(
        [
            f"{found.source.name} {found.source.version} on {found.rows[0].agreement.data}",
            "",
            *lines,
            "",
            "SIGN, LABEL: share of faces with the same. CHANGE: largest change of a probability.",
            f"MS: milliseconds a face on {found.threads} thread(s) of the CPU. TIME: that against",
            "float32, in turns.",
        ]
    )


def comparison_json(found: Comparison) -> dict[str, Any]:
    """The same as values."""
    return {
        "source": {"name": found.source.name, "size_bytes": found.size_bytes, "ms": found.ms},
        "threads": found.threads,
        "rows": [
            {
                "recipe": row.recipe.name,
                "size_bytes": row.size_bytes,
                "ms": row.ms,
                "time_ratio": row.ratio,
                "agreement": row.agreement.as_json(),
                "problems": list(row.problems),
            }
            for row in found.rows
        ],
    }


def model_bytes(card: DetectorCard) -> int:
    """Size of a bundle's graph."""
    return next(entry.size_bytes for entry in card.files if entry.role == "model")


def _path(found: Found) -> list[str]:
    """The steps of a search but those of layers that had to stay, and what is left out."""
    lines = [
        f"{step.size_bytes / 1e6:7.2f} MB  {'kept ' if step.kept else 'broke'}  {step.what}: "
        f"{step.figure}"
        for step in found.steps
        if step.kept or not step.what.startswith("with ")
    ]
    if found.left_out:
        lines += ["", f"{len(found.left_out)} layers are left out; what each would break in int8:"]
        lines += [
            f"  {name}: {why}" for name, why in zip(found.left_out, found.needed, strict=True)
        ]
    return lines
