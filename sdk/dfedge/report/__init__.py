"""The HTML report: one file that needs nothing else, to read, to print and to send on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dfedge.analysis import Analysis, Failure

__all__ = ["render_report"]


def render_report(
    analyses: Sequence[Analysis],
    failures: Sequence[Failure] = (),
    *,
    created: datetime | None = None,
) -> str:
    """The report as an HTML document.

    It loads nothing (no script, no font, no picture from elsewhere; its content security policy
    forbids it) and treats every name in it as hostile.

    Args:
        analyses: a section each, in this order.
        failures: sources that could not be read; they are listed.
        created: time to print on it, with its zone; now in UTC by default.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    from dfedge.report.view import report_view

    environment = Environment(
        loader=PackageLoader("dfedge.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    view = report_view(analyses, failures, created or datetime.now(UTC))
    return environment.get_template("report.html.j2").render(report=view)
