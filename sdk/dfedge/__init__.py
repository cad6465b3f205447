"""dfedge: deepfake detection on the device, heavy only when unsure."""

from __future__ import annotations

__version__ = "0.1.0"
