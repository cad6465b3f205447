"""The table of scores: written, read back, and refused where it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfedge.errors import UsageError
from dfedge.verdict import Reason
from dfedge_tools.evaluating.scores import (
    Labelled,
    Scored,
    read_scores,
    read_table,
    scores_csv,
    write_scores,
)

SHORT = "video_id,label,method,compression,source,split,logit\n"


def _refused(tmp_path: Path, text: str) -> str:
    path = tmp_path / "scores.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        read_table(path)
    return str(caught.value)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    """Every column survives, also names with commas, and frames without a face."""
    frame = Scored(
        'a, "b"', 1, "Deepfakes", "c23", "ffpp", "val", 1.25, frame=7, identity="033",
        face_pixels=81.5, sharpness=120.0, brightness=99.0, novelty=1.5,
        pts_seconds=0.28, path="a,b.jpg", issues=(Reason.TOO_BLURRY, Reason.TOO_DARK),
    )  # fmt: skip
    lost = Labelled("c", 0, "original", "c40", "ffpp", "val", frame=3, identity="055")
    path = tmp_path / "new" / "scores.csv"
    write_scores(path, [frame], [lost])
    table = read_table(path)
    assert ((frame,), (lost,)) == (table.frames, table.faceless)
    assert [frame] == read_scores(path)


def test_short_form_is_read(tmp_path: Path) -> None:
    """The seven columns of training are enough; frames are numbered as they come."""
    path = tmp_path / "scores.csv"
    path.write_text(SHORT + "v,1,DF,c23,ffpp,val,0.5\nv,1,DF,c23,ffpp,val,1.5\n")
    frames = read_scores(path)
    assert [(0, 0.5), (1, 1.5)] == [(f.frame, f.logit) for f in frames]
    assert [("", None)] * 2 == [(f.identity, f.face_pixels) for f in frames]


def test_group_is_the_identity_or_the_video() -> None:
    """Where no identity is known every video stands for itself."""
    known = Scored("v", 1, "DF", "c23", "ffpp", "val", 0.0, identity="033")
    unknown = Scored("v", 1, "DF", "c23", "ffpp", "val", 0.0)
    assert ("033", "v") == (known.group, unknown.group)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("v,1,DF,c23,ffpp,val,0.5\nw,2,DF,c23,ffpp,val,0.5\n", "line 3: label '2'"),
        ("v,1,DF,c23,ffpp,val,high\n", "line 2: logit 'high' is no finite number"),
        ("v,1,DF,c23,ffpp,val,nan\n", "line 2: logit 'nan' is no finite number"),
        ("v,1,DF\n", "line 2: has not as many values"),
        ("v,1,DF,c23,ffpp,val,0.5,7\n", "line 2: has not as many values"),
        (",1,DF,c23,ffpp,val,0.5\n", "line 2: video_id is empty"),
        ("v,1,DF,,,val,0.5\nv,0,,,,val,0.5\n", "line 3: v has label 0 here and another above"),
        ("", "holds no row"),
    ],
)
def test_bad_rows_are_named_with_their_line(tmp_path: Path, rows: str, told: str) -> None:
    """A wrong value is told with its line and its column."""
    assert told in _refused(tmp_path, SHORT + rows)


def test_other_tables_are_refused(tmp_path: Path) -> None:
    """A table of something else is told by the columns it lacks."""
    assert "line 1: is no table of scores, it has no column label, logit" in _refused(
        tmp_path, "video_id,path\nv,a.jpg\n"
    )
    with pytest.raises(UsageError, match="nowhere"):
        read_scores(tmp_path / "nowhere.csv")


def test_header_alone_names_every_column() -> None:
    """An empty table still says what belongs in it."""
    assert scores_csv([]).startswith("video_id,frame,label,method,compression,source,split,")
