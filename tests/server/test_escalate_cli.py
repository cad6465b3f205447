"""``dfedge detect --escalate`` against a real ``dfedge serve`` with the bundle that ships."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from tests.server.conftest import LiveServer, StartServer

from dfedge.escalation.wire import FINAL, Escalation, EscalationPage, State
from dfedge.verdict import Reason, Verdict

SECONDS = 100.0
"""How long anything may take on a busy machine."""

Detect = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def detect(portrait_clip: Path) -> Iterator[Detect]:
    """``detect(server, *options)``: the command on a clip, started as a process."""
    started: list[subprocess.Popen[bytes]] = []

    def start(server: LiveServer, *options: str) -> subprocess.Popen[bytes]:
        words = ["detect", str(portrait_clip), "--json", "--frames", "20", "--threads", "1"]
        words += ["--escalate", server.url, "--escalate-when", "always", "--yes", *options]
        surroundings = {"DFEDGE_API_KEY": server.key().secret, "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(
            [sys.executable, "-m", "dfedge", *words],
            env=os.environ | surroundings,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def ended(process: subprocess.Popen[bytes]) -> tuple[int, str, str]:
    """Code, output and errors."""
    out, err = process.communicate(timeout=SECONDS)
    return process.returncode, out.decode(), err.decode()


def escalations(server: LiveServer) -> tuple[Escalation, ...]:
    """All of the server."""
    with server.client() as client:
        answer = client.get("/v1/escalations").raise_for_status()
    return msgspec.json.decode(answer.content, type=EscalationPage).items


def the_escalation(server: LiveServer, wanted: Callable[[Escalation], bool]) -> Escalation:
    """The only one, once it is as wanted."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        found = escalations(server)
        if found and wanted(found[0]):
            assert len(found) == 1
            return found[0]
        time.sleep(0.1)
    pytest.fail(f"it did not come to that: {escalations(server)}\n{server.log.read_text()[-2000:]}")


def test_the_same_model_says_the_same_of_crops_as_of_the_clip(
    live_server: StartServer, detect: Detect, portrait_clip: Path
) -> None:
    """What is sent loses nothing: device and server agree to the sixth digit."""
    server = live_server()
    code, out, err = ended(detect(server, "--model", "dfedge-b0"))
    assert code == 0, err
    verdict = Verdict.from_json(out)
    edge, heavy = verdict.opinions
    assert (edge.model, edge.tier) == ("dfedge-b0", "edge")
    assert (heavy.model, heavy.tier) == ("dfedge-b0", "heavy")
    assert edge.label is heavy.label
    assert edge.fake_probability is not None
    assert heavy.fake_probability == pytest.approx(edge.fake_probability, abs=1e-6)
    assert Reason.ESCALATION_FAILED not in verdict.reasons
    assert verdict.source.name == str(portrait_clip)
    kept = the_escalation(server, lambda found: found.state is State.DONE)
    assert f"second opinion by {server.url}/v1/escalations/{kept.id}" in err
    assert kept.name == ""
    assert kept.verdict is not None
    assert portrait_clip.name not in kept.verdict.to_json()


def test_a_clip_may_be_sent_whole(live_server: StartServer, detect: Detect) -> None:
    """The server finds the faces itself, in the same frames."""
    server = live_server(heatmaps=0)
    code, out, err = ended(detect(server, "--escalate-what", "clip", "--model", "dfedge-b0"))
    assert code == 0, err
    edge, heavy = Verdict.from_json(out).opinions
    assert edge.fake_probability is not None
    assert heavy.fake_probability == pytest.approx(edge.fake_probability, abs=1e-6)


def test_a_server_killed_halfway_leaves_the_devices_verdict_and_finishes_after_restart(
    live_server: StartServer, detect: Detect
) -> None:
    """kill -9 while it works: a reason here, and no work lost there."""
    server = live_server(heatmaps=10)
    process = detect(server)
    at_work = the_escalation(server, lambda found: found.state is State.RUNNING)
    server.kill()
    code, out, err = ended(process)
    assert code == 0, err
    verdict = Verdict.from_json(out)
    assert verdict.reasons[-1] is Reason.ESCALATION_FAILED
    assert [opinion.tier for opinion in verdict.opinions] == ["edge"]
    assert "the verdict is this machine's own" in err
    assert f"The server may still answer: {server.url}/v1/escalations/{at_work.id}" in err

    again = live_server(settings=server.settings)
    finished = the_escalation(again, lambda found: found.state in FINAL)
    assert (finished.id, finished.state) == (at_work.id, State.DONE)
    assert finished.verdict is not None
    assert [opinion.tier for opinion in finished.verdict.opinions] == ["edge", "heavy"]


def test_ctrl_c_cancels_the_servers_job(live_server: StartServer, detect: Detect) -> None:
    """Nobody waits for it any more; without a worker it would wait for ever."""
    server = live_server("api", ready=False)
    process = detect(server)
    the_escalation(server, lambda found: found.state is State.QUEUED)
    process.send_signal(signal.SIGINT)
    code, out, err = ended(process)
    assert (code, out) == (130, ""), err
    the_escalation(server, lambda found: found.state is State.CANCELLED)
