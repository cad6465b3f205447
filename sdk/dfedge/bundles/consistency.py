"""Whether the parts of a card fit each other: what types alone cannot say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from dfedge.bundles.card import Card, DetectorCard, FaceDetectorCard, FileEntry, Input

_RESERVED_NAME = "card.json"


def card_problems(card: Card) -> tuple[str, ...]:
    """What is wrong between the fields of a card, a sentence without full stop each."""
    needs_preprocess = isinstance(card, DetectorCard)
    problems = [
        *_file_problems(card.files, needs_preprocess=needs_preprocess),
        *_input_problems(card.input),
    ]
    if isinstance(card, DetectorCard):
        problems.extend(_detector_problems(card))
    else:
        problems.extend(_face_detector_problems(card))
    return tuple(problems)


def _file_problems(files: tuple[FileEntry, ...], *, needs_preprocess: bool) -> Iterator[str]:
    roles = Counter(entry.role for entry in files)
    if roles["model"] != 1:
        yield f"files has {roles['model']} entries of role 'model', it must have exactly one"
    if needs_preprocess and roles["preprocess"] != 1:
        yield (
            f"files has {roles['preprocess']} entries of role 'preprocess', a deepfake detector "
            "must have exactly one"
        )
    if not needs_preprocess and roles["preprocess"]:
        yield "files has an entry of role 'preprocess', which a face detector does not use"
    if roles["source"] > 1:
        yield f"files has {roles['source']} entries of role 'source', it may have one"
    names = Counter(entry.name.casefold() for entry in files)
    for name, count in names.items():
        if count > 1:
            yield f"files lists {name!r} {count} times"
    if _RESERVED_NAME in names:
        yield f"files lists {_RESERVED_NAME!r}, which is the card itself"


def _input_problems(model_input: Input) -> Iterator[str]:
    if model_input.layout == "NCHW" and model_input.frames != 1:
        yield f"input.frames is {model_input.frames}, layout NCHW has one frame"
    if model_input.layout == "NTCHW" and model_input.frames < 2:
        yield f"input.frames is {model_input.frames}, layout NTCHW has two or more frames"


def _detector_problems(card: DetectorCard) -> Iterator[str]:
    output, decision, quality = card.output, card.decision, card.decision.quality
    count = len(output.classes)
    if output.fake_index >= count:
        yield f"output.fake_index is {output.fake_index}, but output.classes has {count} entries"
    if count < 1:
        yield "output.classes is empty"
    if output.activation == "softmax" and count < 2:
        yield f"output.activation is softmax, which needs two or more classes, not {count}"
    if len(set(output.classes)) != count:
        yield "output.classes names a class twice"
    if decision.real.threshold >= decision.fake.threshold:
        yield (
            f"decision.real.threshold is {decision.real.threshold:g}, it must be under "
            f"decision.fake.threshold, {decision.fake.threshold:g}"
        )
    if decision.novelty is not None and decision.novelty.output == output.name:
        yield f"decision.novelty.output is {output.name!r}, which is the output of the logits"
    batch = card.deployment.batch if card.deployment is not None else None
    if batch is not None and not batch.smallest <= batch.usual <= batch.largest:
        yield (
            f"deployment.batch is {batch.smallest}, {batch.usual}, {batch.largest}, it must not "
            "decrease"
        )
    if quality.min_brightness >= quality.max_brightness:
        yield (
            f"decision.quality.min_brightness is {quality.min_brightness:g}, it must be under "
            f"max_brightness, {quality.max_brightness:g}"
        )


def _face_detector_problems(card: FaceDetectorCard) -> Iterator[str]:
    if card.input.width != card.input.height:
        yield f"input is {card.input.width} x {card.input.height}, a face detector's is square"
    if card.input.layout != "NCHW":
        yield f"input.layout is {card.input.layout}, a face detector's is NCHW"
    if not card.anchors:
        yield "anchors is empty"
    if card.boxes_output == card.scores_output:
        yield f"boxes_output and scores_output are both {card.boxes_output!r}"
