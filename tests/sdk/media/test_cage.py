"""FFmpeg opens the file it is given and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from dfedge.errors import MediaError
from dfedge.media import open_live, open_media

LURES = {
    "hls.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{url}\n#EXT-X-ENDLIST\n",
    "hls_bom.mp4": "\ufeff#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{url}\n#EXT-X-ENDLIST\n",
    "passwd.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/passwd\n{url}\n",
    "concat.mp4": "ffconcat version 1.0\nfile '{url}'\n",
    "session.mp4": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    "m=video {port} RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    "dash.mp4": "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011' type='static'>"
    "<Period><AdaptationSet><Representation id='1' bandwidth='1'><BaseURL>{url}</BaseURL>"
    "</Representation></AdaptationSet></Period></MPD>",
    "rtsp.mp4": "rtsptext\nrtsp://127.0.0.1:{port}/x\n",
    "picture.svg": "<svg xmlns='http://www.w3.org/2000/svg'><image href='{url}'/></svg>",
}


@pytest.mark.parametrize("name", LURES)
def test_a_file_that_names_others_leads_nowhere(make: Any, web: Any, name: str) -> None:
    """Playlists and the like under a video's name are refused and nothing is fetched."""
    url = web.file("/secret.ts", make.video("secret.ts", container="mpegts").read_bytes())
    content = LURES[name].format(url=url, port=web.port).encode()
    for path in (make.data(name, content), make.data(name + ".m3u8", content)):
        with pytest.raises(MediaError), open_media(path) as reader:
            list(reader)
    assert web.requests == []


def test_a_playlist_of_a_neighbour_is_refused(make: Any) -> None:
    """A playlist that names a good video beside it is not that video."""
    video = make.video("good.ts", container="mpegts")
    text = f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{video.name}\n#EXT-X-ENDLIST\n"
    with pytest.raises(MediaError, match="playlist"):
        open_media(make.data("list.mp4", text.encode()))


@pytest.mark.parametrize(
    "name",
    [
        "concat:a.mp4|b.mp4",
        "http:x.mp4",
        "pipe:0",
        "-",
        "file:clip.mp4",
        "subfile,,x",
        "frame%d.jpg",
        "lavfi:testsrc",
    ],
)
def test_names_are_names(make: Any, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A file whose name looks like an FFmpeg address is read as that file; none is no file."""
    monkeypatch.chdir(make.folder)
    with pytest.raises(MediaError):
        open_media(name)
    make.data(name, make.video("clip.mp4").read_bytes())
    with open_media(name, frames=3) as reader:
        assert len(list(reader)) == 3


def test_ffmpeg_prints_nothing(make: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """The complaints of FFmpeg about a damaged file stay off the terminal."""
    whole = bytearray(make.video(frames=100).read_bytes())
    for place in range(4000, len(whole) - 9000, 900):
        whole[place : place + 40] = b"\x55" * 40
    with open_media(make.data("noisy.mp4", bytes(whole))) as reader:
        list(reader)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "source", ["rtmp://127.0.0.1/x", "udp://127.0.0.1:1", "file:///etc/passwd"]
)
def test_other_protocols_are_refused(source: str) -> None:
    """Only http, https and, live, rtsp lead out of this machine."""
    with pytest.raises(MediaError, match="only http"):
        open_media(source)
    with pytest.raises(MediaError, match="only http"):
        open_live(source)
