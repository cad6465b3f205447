"""Bundles damaged at random or made to exhaust memory: harmless or a typed error, never another."""

from __future__ import annotations

import io
import random
import struct
from typing import Any

import pytest

from dfedge.bundles.bundle import load_bundle
from dfedge.errors import BundleError, BundleFormatError


@pytest.mark.parametrize("seed", range(8))
def test_random_damage_to_a_zip_is_never_another_error(bundle_maker: Any, seed: int) -> None:
    """A hundred damaged zips a seed: each loads unharmed or is a typed error."""
    random_numbers = random.Random(seed)
    path = bundle_maker.zipped(bundle_maker.detector())
    good, whole = path.read_bytes(), load_bundle(path).read("model")
    for _ in range(100):
        content = bytearray(good)
        for _ in range(random_numbers.randint(1, 6)):
            content[random_numbers.randrange(len(content))] = random_numbers.randrange(256)
        if random_numbers.random() < 0.3:
            del content[random_numbers.randrange(len(content)) :]
        path.write_bytes(content)
        try:
            model, message = load_bundle(path).read("model"), path.name
        except BundleError as error:
            model, message = whole, str(error)
        assert whole == model
        assert path.name in message


@pytest.mark.parametrize("seed", range(8))
def test_random_damage_to_a_card_is_never_another_error(bundle_maker: Any, seed: int) -> None:
    """A hundred damaged cards a seed: each still fits the files or is a typed error."""
    random_numbers = random.Random(seed)
    folder = bundle_maker.detector()
    good = (folder / "card.json").read_bytes()
    for _ in range(100):
        content = bytearray(good)
        for _ in range(random_numbers.randint(1, 4)):
            content[random_numbers.randrange(len(content))] = random_numbers.randrange(256)
        (folder / "card.json").write_bytes(content)
        try:
            message = str(load_bundle(folder).path)
        except BundleError as error:
            message = str(error)
        assert folder.name in message


def test_a_long_directory_is_not_read(bundle_maker: Any) -> None:
    """A zip that announces a huge directory, or a zip64 one, is refused by its end record."""
    path = bundle_maker.zipped(bundle_maker.detector())
    content = bytearray(path.read_bytes())
    end = content.rfind(b"PK\x05\x06")
    struct.pack_into("<I", content, end + 12, 1 << 30)
    path.write_bytes(content)
    with pytest.raises(BundleFormatError, match="more files than a bundle"):
        load_bundle(path)
    many = io.BytesIO(path.read_bytes()[:end] + b"PK\x06\x07" + bytes(16) + bytes(content[end:]))
    struct.pack_into("<I", content, end + 12, 100)
    path.write_bytes(many.getvalue())
    with pytest.raises(BundleFormatError, match="more files than a bundle"):
        load_bundle(path)
