"""dfedge: deepfake detection on the device, heavy only when unsure.

>>> from dfedge import Detector
>>> with Detector() as detector:
...     verdict = detector.detect("clip.mp4")
>>> verdict.label, verdict.fake_probability
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from dfedge.analysis import Analysis, Escalated, Evidence, Failure, Progress, Result, Success
    from dfedge.detector import Detector
    from dfedge.errors import DfedgeError
    from dfedge.escalation.options import EscalationOptions
    from dfedge.media import MediaLimits
    from dfedge.verdict import Label, Reason, Verdict

_HOMES = {
    "Analysis": "dfedge.analysis",
    "Detector": "dfedge.detector",
    "DfedgeError": "dfedge.errors",
    "Escalated": "dfedge.analysis",
    "EscalationOptions": "dfedge.escalation.options",
    "Evidence": "dfedge.analysis",
    "Failure": "dfedge.analysis",
    "Label": "dfedge.verdict",
    "MediaLimits": "dfedge.media",
    "Progress": "dfedge.analysis",
    "Reason": "dfedge.verdict",
    "Result": "dfedge.analysis",
    "Success": "dfedge.analysis",
    "Verdict": "dfedge.verdict",
}
"""Public name -> module; modules are loaded when a name is first used, so the import is quick."""

__all__ = [
    "Analysis",
    "Detector",
    "DfedgeError",
    "Escalated",
    "EscalationOptions",
    "Evidence",
    "Failure",
    "Label",
    "MediaLimits",
    "Progress",
    "Reason",
    "Result",
    "Success",
    "Verdict",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'dfedge' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
