"""Fixtures shared by all tests."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from dfedge.types import Image

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The research data beside the repository; never shipped, so its tests skip without it."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the research data in ../shared/data, which is not here")
    return folder


@pytest.fixture(scope="session")
def oracles() -> Path:
    """Reference outputs of the public models, beside the repository like the research data."""
    folder = REPOSITORY.parent / "shared" / "oracles"
    if not folder.is_dir():
        pytest.skip("needs the reference outputs in ../shared/oracles, which are not here")
    return folder


@pytest.fixture(scope="session")
def portrait() -> Image:
    """The astronaut's portrait that scikit-image carries (public domain), 512 x 512 RGB."""
    data = pytest.importorskip("skimage.data", reason="needs scikit-image: the extra 'demo'")
    picture: Image = data.astronaut()
    return picture


@pytest.fixture(scope="session")
def portrait_clip(portrait: Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of H.264 at 25 frames a second, the portrait slowly moving."""
    path = tmp_path_factory.mktemp("clips") / "portrait.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("h264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 480, 480, "yuv420p"
        for index in range(50):
            x = index % 32
            picture = np.ascontiguousarray(portrait[:480, x : x + 480])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path
