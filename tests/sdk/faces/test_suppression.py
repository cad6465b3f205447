"""Weighted suppression: many detections of a face become one."""

from __future__ import annotations

import numpy as np
import pytest

from dfedge.faces.suppression import overlap_ratios, weighted_suppression


def test_detections_that_overlap_are_blended_by_score() -> None:
    """The result is the mean weighted by score, with the best score."""
    coordinates = np.asarray([[0, 0, 10, 10, 5, 5], [2, 0, 12, 10, 8, 5]], np.float32)
    scores = np.asarray([0.6, 0.9], np.float32)
    blended, best = weighted_suppression(coordinates, scores, max_iou=0.3)
    assert best.tolist() == pytest.approx([0.9])
    assert blended.tolist() == [pytest.approx([1.2, 0, 11.2, 10, 6.8, 5])]


def test_detections_apart_are_kept_best_first() -> None:
    """Two faces beside each other stay two."""
    coordinates = np.asarray([[0, 0, 10, 10], [9, 0, 19, 10]], np.float32)
    kept, scores = weighted_suppression(
        coordinates, np.asarray([0.6, 0.8], np.float32), max_iou=0.3
    )
    assert kept.tolist() == [[9, 0, 19, 10], [0, 0, 10, 10]]
    assert scores.tolist() == pytest.approx([0.8, 0.6])


def test_only_the_best_detection_gathers() -> None:
    """What overlaps a gathered detection but not the best one is a face of its own."""
    coordinates = np.asarray([[0, 0, 10, 10], [5, 0, 15, 10], [10, 0, 20, 10]], np.float32)
    kept, scores = weighted_suppression(
        coordinates, np.asarray([0.9, 0.6, 0.7], np.float32), max_iou=0.3
    )
    assert len(kept) == 2
    assert kept[0].tolist() == pytest.approx([2.0, 0.0, 12.0, 10.0])
    assert kept[1].tolist() == [10, 0, 20, 10]
    assert scores.tolist() == pytest.approx([0.9, 0.7])


def test_nothing_in_gives_nothing_out() -> None:
    """No detection is no error."""
    kept, scores = weighted_suppression(
        np.zeros((0, 16), np.float32), np.zeros(0, np.float32), max_iou=0.3
    )
    assert kept.shape == (0, 16)
    assert scores.shape == (0,)


def test_overlap_is_intersection_over_union() -> None:
    """The same box 1, half shifted 1/3, touching 0, apart 0."""
    boxes = np.asarray([[0, 0, 2, 2], [1, 0, 3, 2], [2, 0, 4, 2], [9, 9, 10, 10]], np.float32)
    assert overlap_ratios(boxes[0], boxes).tolist() == pytest.approx([1, 1 / 3, 0, 0])
