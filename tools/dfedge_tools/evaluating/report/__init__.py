"""The HTML report of an evaluation: one file that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from dfedge_tools.evaluating.report.view import report_view
from dfedge_tools.evaluating.results import Evaluation

__all__ = ["render_report"]


def render_report(found: Evaluation, pictures: Mapping[tuple[str, str], bytes]) -> str:
    """The report as an HTML document, in the style of that of ``dfedge detect``.

    It loads nothing (no script, no font, no picture from elsewhere; its content security policy
    forbids it) and treats every name in it as hostile.

    Args:
        pictures: JPEGs of the mistakes by their source and ``video_id``; those that are missing are
            not shown.
    """
    environment = Environment(
        loader=ChoiceLoader(
            [PackageLoader("dfedge_tools.evaluating.report"), PackageLoader("dfedge.report")]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("evaluation.html.j2")
    return template.render(report=report_view(found, pictures))
