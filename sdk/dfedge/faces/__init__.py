"""Faces: where they are in a frame, and which of them are the same person over frames.

:func:`open_face_finder` opens a :class:`FaceFinder`, :class:`FaceTracker` follows what it finds.
"""

from __future__ import annotations

from dfedge.faces.backends import open_face_finder
from dfedge.faces.finder import FaceFinder
from dfedge.faces.tracking import FaceTracker

__all__ = ["FaceFinder", "FaceTracker", "open_face_finder"]
