"""Other people's prediction files, and the tables they stand for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dfedge.errors import UsageError
from dfedge_tools.evaluating.predictions import Meaning, prediction_tables, read_predictions

GENCONVIT = {
    "video": {
        "name": ["a.mp4", "b.mp4", "c.mp4", "d.mp4", "e.mp4", "f.mp4"],
        "pred": [0.98, 0.71, 0.48, 0.02, 0.35, 0.5],
        "klass": ["deepfakes", "deepfakes", "faceswap", "original", "original", "original"],
        "pred_label": ["FAKE", "FAKE", "FAKE", "REAL", "REAL", "FAKE"],
        "correct_label": ["FAKE", "FAKE", "FAKE", "REAL", "REAL", "REAL"],
    }
}


def _write(path: Path, value: object) -> Path:
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def test_a_result_of_genconvit_gives_its_table(tmp_path: Path) -> None:
    """Its own accuracy and F1 from its labels; AUC from its scores; where the two disagree."""
    file = read_predictions(_write(tmp_path / "result_dfdc.json", GENCONVIT))
    (table,) = prediction_tables([file], least=1)
    assert ("result_dfdc", 6, 3) == (table.source, table.count, table.fakes)
    assert table.accuracy == pytest.approx(5 / 6)
    assert table.f1 == pytest.approx(6 / 7)
    assert (1, 1) == (table.disagree, table.at_one_half)
    assert table.recomputed["auc"].value == pytest.approx(8 / 9)
    assert table.recomputed["accuracy"].value == pytest.approx(4 / 6)
    assert ["deepfakes", "deepfakes", "faceswap"] == [e.row.method for e in file.entries[:3]]
    assert "result_dfdc.json: pred is taken as P(fake)" in file.notes
    assert any("1 scores are exactly one half" in note for note in file.notes)


@pytest.mark.parametrize(
    ("value", "meaning", "fake"),
    [
        ("video,label,score\na,1,0.9\nb,0,0.2\n", "P(fake)", [0.9, 0.2]),
        ("path,target,logit\na,fake,0.0\nb,real,0.5\n", "a logit", [0.5, 0.6224593]),
        ("name,label,margin,score\na,1,,2.0\nb,0,,-2.0\n", "a logit", [0.8807971, 0.1192029]),
        (
            "name,label,pred,pred_label\na,FAKE,0.9,FAKE\nb,REAL,0.8,REAL\n",
            "the probability of the stated label",
            [0.9, 0.2],
        ),
        ([{"name": "a", "pred": 1, "label": True}, {"name": "b", "pred": 0, "label": 0}],
         "P(fake)", [1.0, 0.0]),
        ({"name": ["a", "b"], "prob": [0.7, 0.1], "y_true": [1, 0], "pred_label": []},
         "P(fake)", [0.7, 0.1]),
    ],
)  # fmt: skip
def test_variants_are_understood(
    tmp_path: Path, value: object, meaning: str, fake: list[float]
) -> None:
    """Names, nesting and what a score says differ; P(fake) comes out, and what was assumed."""
    file = read_predictions(_write(tmp_path / "others", value))
    found = [1 / (1 + 2.718281828459045**-entry.row.logit) for entry in file.entries]
    assert found == pytest.approx(fake)
    assert [1, 0] == [entry.row.label for entry in file.entries]
    assert f"is taken as {meaning}" in file.notes[0]


def test_data_sets_have_a_table_each(tmp_path: Path) -> None:
    """By file, or by the column that names the data set."""
    first = _write(tmp_path / "x.csv", "name,label,score\na,1,0.9\nb,0,0.2\n")
    second = _write(tmp_path / "y.csv", "name,dataset,label,score\na,dfd,1,0.1\nb,tim,0,0.2\n")
    tables = prediction_tables([read_predictions(first), read_predictions(second)], least=1)
    assert ["x", "dfd", "tim"] == [table.source for table in tables]
    assert (1.0, None) == tuple(table.recomputed["auc"].value for table in tables[:2])
    assert (None, 0) == (tables[0].accuracy, tables[0].disagree)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("name,score\na,0.5\n", "line 2 has no label .any of correct_label"),
        ("name,label,score\na,1,high\n", "line 2: score 'high' is no finite number"),
        ("name,label,score\na,maybe,0.5\n", "line 2: label 'maybe' is neither FAKE"),
        ("name,label,score\na,1,0.5\na,0,0.5\n", "line 3 is of a, as line 2 is"),
        ({"video": {"name": ["a"], "pred": [0.1, 0.2]}}, "different lengths"),
        ({"video": [1]}, "is no object of lists"),
        ("[1, 2]", "neither an object of lists nor a list of objects"),
        ("{", "malformed|truncated"),
        ("", "holds no prediction"),
    ],
)
def test_bad_files_are_told(tmp_path: Path, value: object, told: str) -> None:
    """With the file, the line and what was looked for."""
    path = _write(tmp_path / "bad", value)
    with pytest.raises(UsageError, match=told) as caught:
        read_predictions(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("meaning", "text", "told"),
    [
        ("fake", "name,label,score\na,1,1.5\n", "no probabilities"),
        ("label", "name,label,score\na,1,0.5\n", "states no label"),
    ],
)
def test_scores_that_cannot_mean_what_was_said(
    tmp_path: Path, meaning: Meaning, text: str, told: str
) -> None:
    """--score-is is held against the values."""
    with pytest.raises(UsageError, match=told):
        read_predictions(_write(tmp_path / "x.csv", text), meaning=meaning)
