"""Live sources: real time, the newest frame, streams that stop, cameras that are not there."""

from __future__ import annotations

import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest

from dfedge.errors import (
    MediaAccessError,
    MediaError,
    MediaFetchError,
    MediaNotFoundError,
    UsageError,
)
from dfedge.media import MediaLimits, open_live, open_media


def assert_on_grid(times: list[float], grid: list[float]) -> None:
    """Times are those of the grid, in order; a busy machine may have missed a few."""
    assert times == sorted(set(times))
    assert len(times) >= 0.6 * len(grid)
    assert all(min(abs(time - point) for point in grid) < 1e-6 for time in times)


def test_a_file_is_played_in_real_time(make: Any) -> None:
    """Two seconds at five a second take two seconds and give ten frames on the grid."""
    started = time.monotonic()
    with open_live(str(make.video()), fps=5) as reader:
        assert reader.sampling == "live"
        assert reader.expected_frames is None
        frames = list(reader)
    assert 1.7 <= time.monotonic() - started <= 5
    assert_on_grid([frame.pts_seconds for frame in frames], [step / 5 for step in range(10)])
    assert [make.read_number(frame.image) for frame in frames] == [
        round(frame.pts_seconds * 25) for frame in frames
    ]


def test_the_newest_frame_wins(make: Any) -> None:
    """A caller that sleeps misses frames; there is no backlog."""
    with open_live(str(make.video()), fps=10) as reader:
        seen = []
        for frame in reader:
            seen.append(frame.pts_seconds)
            time.sleep(0.5)
    assert len(seen) <= 6
    assert np.diff(seen).max() >= 0.3


@pytest.mark.parametrize("kind", ["avi", "gif", "folder"])
def test_other_files_are_played_too(make: Any, kind: str) -> None:
    """Files without times, animations and folders are played by what times they have."""
    source = {
        "avi": lambda: make.video("clip.avi", frames=20),
        "gif": lambda: make.animation("moves.gif", [100] * 8),
        "folder": lambda: make.frames_folder(count=2),
    }[kind]()
    with open_live(str(source), fps=5) as reader:
        times = [frame.pts_seconds for frame in reader]
    expected = {"avi": [0, 0.2, 0.4, 0.6], "gif": [0, 0.2, 0.4, 0.6], "folder": [0.0, 1.0]}[kind]
    assert_on_grid(times, expected)


def test_sampling_live_is_open_live(make: Any) -> None:
    """`open_media(..., sampling="live")` plays at two frames a second: the first due each time."""
    with open_media(make.video(frames=26), sampling="live") as reader:
        assert_on_grid([frame.pts_seconds for frame in reader], [0, 0.52, 1.0])


def test_closing_while_playing_is_prompt(make: Any) -> None:
    """No waiting for the end of the file."""
    started = time.monotonic()
    with open_live(str(make.video(frames=250)), fps=1) as reader:
        next(iter(reader))
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    ("source", "fps"), [("x.mp4", 0), ("x.mp4", float("nan")), (None, 2), (1.5, 2)]
)
def test_arguments_that_cannot_work(source: Any, fps: float) -> None:
    """Neither a rate of nothing nor a source that is none."""
    with pytest.raises(UsageError):
        open_live(source, fps=fps)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="device files of Linux")
@pytest.mark.parametrize("source", [63, "63", "/dev/video63", "/dev/video", -1])
def test_a_camera_that_is_not_there(source: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """A typed error, and OpenCV prints nothing."""
    with pytest.raises(MediaNotFoundError):
        open_live(source)
    assert capfd.readouterr() == ("", "")


class PretendCamera:
    """Gives blue pictures like a driver, fifty a second, until `pictures` are out."""

    def __init__(self, pictures: int) -> None:
        self.left = pictures
        self.released = False

    def isOpened(self) -> bool:  # noqa: N802 - named by OpenCV
        """It is there."""
        return True

    def get(self, number: int) -> float:
        """Its size."""
        return {cv2.CAP_PROP_FRAME_WIDTH: 64.0, cv2.CAP_PROP_FRAME_HEIGHT: 48.0}[number]

    def grab(self) -> bool:
        """Wait for the next picture."""
        time.sleep(0.02)
        self.left -= 1
        return self.left >= 0

    def retrieve(self) -> tuple[bool, Any]:
        """The picture, BGR."""
        picture = np.zeros((48, 64, 3), np.uint8)
        picture[..., 0] = 200
        return True, picture

    def release(self) -> None:
        """Note that it was freed."""
        self.released = True


def test_a_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    """RGB frames at the wanted rate, the camera freed at the end, an error when it is unplugged."""
    camera = PretendCamera(30)
    monkeypatch.setattr("dfedge.media.live.cv2.VideoCapture", lambda source: camera)
    monkeypatch.setattr("dfedge.media.live._check_device", lambda source, name: None)
    frames = []
    with open_live(0, fps=10) as reader:
        assert (reader.info.kind, reader.info.name) == ("stream", "camera 0")
        with pytest.raises(MediaAccessError, match="unplugged"):
            frames.extend(frame for frame in reader)
    assert camera.released
    assert 3 <= len(frames) <= 9
    assert frames[0].image[0, 0].tolist() == [0, 0, 200]
    assert 0 <= frames[0].pts_seconds < 0.5


class RtspServer:
    """The few words of RTSP that a player needs, with H.264 over the same connection."""

    def __init__(self, units: list[list[bytes]], *, silent_after: int | None) -> None:
        self._units = units
        self._silent_after = silent_after
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def url(self) -> str:
        """Its address, with a login."""
        return f"rtsp://viewer:secret@127.0.0.1:{self._listener.getsockname()[1]}/camera"

    def stop(self) -> None:
        """Hang up and wait for the thread."""
        self._stopping.set()
        self._listener.close()
        self._thread.join(10)

    def _serve(self) -> None:
        self._listener.settimeout(0.1)
        while not self._stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            with connection:
                try:
                    self._talk(connection)
                except OSError:
                    continue

    def _talk(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        stream = connection.makefile("rb")
        while line := stream.readline():
            method = line.split()[0].decode()
            headers = {}
            while (header := stream.readline().strip()) != b"":
                key, _, value = header.decode().partition(":")
                headers[key.lower()] = value.strip()
            extra, body = "", ""
            if method == "DESCRIBE":
                body = (
                    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=test\r\nt=0 0\r\n"
                    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
                    "a=fmtp:96 packetization-mode=1\r\na=control:track0\r\n"
                )
                extra = f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
            elif method == "SETUP":
                extra = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
            reply = f"RTSP/1.0 200 OK\r\nCSeq: {headers['cseq']}\r\nSession: 1\r\n{extra}\r\n{body}"
            connection.sendall(reply.encode())
            if method == "PLAY":
                self._play(connection)
                return

    def _play(self, connection: socket.socket) -> None:
        sequence = 0
        for number, units in enumerate(self._units):
            if self._silent_after is not None and number == self._silent_after:
                self._stopping.wait(20)
            for place, unit in enumerate(units):
                last = 0x80 if place == len(units) - 1 else 0
                header = struct.pack(">BBHII", 0x80, last | 96, sequence, number * 3600, 7)
                packet = header + unit
                connection.sendall(b"$\0" + struct.pack(">H", len(packet)) + packet)
                sequence += 1
            if self._stopping.wait(0.02):
                return


@pytest.fixture
def units(make: Any) -> list[list[bytes]]:
    """A hundred coded pictures, each as its NAL units; keyframes 10 apart."""
    import av

    path = make.video(
        "camera.h264",
        container="h264",
        frames=100,
        options={"g": "10", "bf": "0", "tune": "zerolatency"},
    )
    with av.open(str(path)) as source:
        packets = [bytes(p) for p in source.demux(video=0) if p.size]
    return [
        [unit for unit in packet.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1") if unit]
        for packet in packets
    ]


@pytest.fixture
def rtsp(units: Any) -> Iterator[Any]:
    """Starts RTSP servers."""
    servers: list[RtspServer] = []

    def start(*, silent_after: int | None = None) -> str:
        servers.append(RtspServer(units, silent_after=silent_after))
        return servers[-1].url

    yield start
    for server in servers:
        server.stop()


def test_rtsp(make: Any, rtsp: Any) -> None:
    """Frames of the stream at the wanted rate; the login is shown nowhere."""
    with open_live(rtsp(), fps=5) as reader:
        assert (reader.info.kind, reader.info.width, reader.info.height) == ("stream", 160, 120)
        assert "secret" not in reader.info.name
        frames = []
        for frame in reader:
            frames.append(frame)
            if len(frames) == 5:
                break
    numbers = [make.read_number(frame.image) for frame in frames]
    assert numbers == sorted(set(numbers))
    assert 0 <= frames[0].pts_seconds < 1
    gaps = np.diff([frame.pts_seconds for frame in frames])
    assert gaps.min() >= 0.1


def test_rtsp_that_falls_silent(rtsp: Any) -> None:
    """A stream that stops talking is given up with a typed error, soon."""
    limits = MediaLimits(stall_seconds=1.0)
    started = time.monotonic()
    with (
        open_live(rtsp(silent_after=60), fps=5, limits=limits) as reader,
        pytest.raises(MediaError),
    ):
        list(reader)
    assert time.monotonic() - started < 12


def test_rtsp_that_is_not_there() -> None:
    """A closed port is a typed error without the password."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(MediaFetchError) as caught:
        open_live(f"rtsp://viewer:secret@127.0.0.1:{port}/x")
    assert "secret" not in str(caught.value)


def test_rtsp_that_never_answers() -> None:
    """A server that accepts and says nothing is left after stall_seconds."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        started = time.monotonic()
        with pytest.raises(MediaFetchError):
            open_live(
                f"rtsp://127.0.0.1:{listener.getsockname()[1]}/x",
                limits=MediaLimits(stall_seconds=1.0),
            )
        assert time.monotonic() - started < 5


def test_a_stream_is_no_file() -> None:
    """`open_media` on a stream points to the way that works."""
    with pytest.raises(MediaFetchError, match="dfedge watch"):
        open_media("rtsp://127.0.0.1:1/x")
