"""The older endpoints of a real server, with the shipped bundle and real pictures."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image as Pillow

from dfedge.types import Image
from dfedge_server.security.principal import Scope

from ..conftest import LiveServer
from ..serving import serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """One that may fetch from this machine, and answers the older endpoints without a key."""
    folder = tmp_path_factory.mktemp("compat")
    with serving(folder, allow_private_addresses=True, compat_without_key=True) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: LiveServer) -> Iterator[httpx.Client]:
    """With a key of all scopes."""
    with server.client() as client:
        yield client


@pytest.fixture
def face(portrait: Image) -> bytes:
    """A picture with a face."""
    return _png(portrait)


@pytest.fixture
def no_face() -> bytes:
    """A picture without one."""
    return _png(np.full((240, 320, 3), 90, np.uint8))


@pytest.fixture
def web(tmp_path: Path, face: bytes, no_face: bytes) -> Iterator[str]:
    """Address of a web server with both."""
    (tmp_path / "face.png").write_bytes(face)
    (tmp_path / "none.png").write_bytes(no_face)

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            return

    web = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path)))
    thread = threading.Thread(target=web.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{web.server_port}"
    web.shutdown()
    thread.join()
    web.server_close()


def _png(picture: Image) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def test_probes_need_no_key_and_name_the_models(server: LiveServer) -> None:
    """Healthy and ready once a model answers, with its version."""
    assert {"status": "ok"} == httpx.get(f"{server.url}/health").json()
    healthy = httpx.get(f"{server.url}/healthcheck")
    assert (200, True) == (healthy.status_code, healthy.json()["healthy"])
    ready = httpx.get(f"{server.url}/ready").json()
    assert ("ready", True, 1) == (ready["status"], ready["model_loaded"], ready["workers"])
    assert healthy.json()["model_versions"] == ready["model_versions"] != {}


def test_detect_judges_a_picture(client: httpx.Client, face: bytes) -> None:
    """A calibrated number and its complement, and the threshold of the label."""
    answer = client.post("/detect", files={"file": ("face.png", face)})
    assert 200 == answer.status_code, answer.text
    told = answer.json()
    result = told["result"]
    assert "face.png" == told["filename"]
    assert result["label"] in ("REAL", "FAKE", "UNCERTAIN")
    assert 1.0 == pytest.approx(result["fake_probability"] + result["real_probability"])
    assert 0.0 < result["threshold"] < 1.0
    whole = client.get(f"/v1/escalations/{told['escalation_id']}").json()
    assert whole["verdict"]["fake_probability"] == result["fake_probability"]


def test_the_same_bytes_are_computed_once(client: httpx.Client, face: bytes) -> None:
    """A second upload is answered from the first."""
    first, second = (
        client.post("/detect", files={"file": (name, face)}).json()["escalation_id"]
        for name in ("a.png", "b.png")
    )
    assert first != second
    assert client.get(f"/v1/escalations/{second}").json()["reused"]


def test_no_face_is_told_as_such(client: httpx.Client, no_face: bytes, web: str) -> None:
    """By every endpoint, without a number."""
    detected = client.post("/detect", files={"file": ("n.png", no_face)}).json()["result"]
    predicted = client.post("/predict", json={"file_path": f"{web}/none.png"}).json()
    assert ("NO_FACE", None, None) == (
        detected["label"],
        detected["is_fake"],
        detected["fake_probability"],
    )
    assert ("NO_FACE", None) == (predicted["prediction"], predicted["df_probability"])


def test_predict_judges_an_address(client: httpx.Client, web: str) -> None:
    """As clients ask for it; the answer says whose number it is."""
    body = {"file_path": f"{web}/face.png", "num_frames": 10, "net": "vae", "fp16": False}
    answer = client.post("/predict", json=body)
    assert 200 == answer.status_code, answer.text
    told = answer.json()
    assert 0.0 <= told["df_probability"] <= 1.0
    assert told["prediction"] in ("REAL", "FAKE", "UNCERTAIN")
    assert "ensemble" == told["net"]
    assert told["notes"]


def test_predict_with_an_idempotency_key_asks_once(client: httpx.Client, web: str) -> None:
    """Sent again after it was lost, a request gives the same escalation."""
    body = {"file_path": f"{web}/face.png"}
    first, second = (
        client.post("/predict", json=body, headers={"Idempotency-Key": "one"}).json()
        for _ in range(2)
    )
    assert first["escalation_id"] == second["escalation_id"]


def test_a_batch_keeps_order_and_tells_what_failed(
    client: httpx.Client, face: bytes, no_face: bytes
) -> None:
    """A file that cannot be opened has a problem in the place of a result."""
    files = [("files", (f"{n}.png", data)) for n, data in enumerate([face, face[:99], no_face])]
    items = client.post("/detect/batch", files=files).json()["items"]
    assert ["0.png", "1.png", "2.png"] == [item["filename"] for item in items]
    assert (None, "media_unreadable") == (items[1]["result"], items[1]["problem"]["code"])
    assert "NO_FACE" == items[2]["result"]["label"]
    assert items[0]["result"]["fake_probability"] is not None


def test_a_video_is_told_frame_by_frame(client: httpx.Client, portrait_clip: Path) -> None:
    """Times rise, and each frame with a face has its own result."""
    files = {"file": ("clip.mp4", portrait_clip.read_bytes())}
    answer = client.post("/detect/video", files=files, params={"frames_per_scene": 4})
    assert 200 == answer.status_code, answer.text
    told = answer.json()
    times = [frame["timestamp_sec"] for frame in told["frames"]]
    assert 0 < len(times) <= told["sampled_frame_count"] <= 6
    assert sorted(times) == times
    assert all(0.0 <= frame["result"]["fake_probability"] <= 1.0 for frame in told["frames"])


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/predict", {"file_path": "/srv/clip.mp4"}, "invalid_request"),
        ("/predict", {"file_path": "http://127.0.0.1:1/x.mp4"}, "fetch_failed"),
        ("/predict", {"file_path": "http://127.0.0.1:1/x", "net": "other"}, "invalid_request"),
        ("/predict", {"num_frames": 3}, "invalid_request"),
        ("/admin/threshold", {"threshold": 1.5}, "invalid_request"),
        ("/admin/threshold", {"threshold": "high"}, "invalid_request"),
        ("/admin/threshold", {}, "invalid_request"),
    ],
)
def test_what_does_not_fit_is_a_problem(
    client: httpx.Client, path: str, body: dict[str, object], code: str
) -> None:
    """With a code, never a number."""
    answer = client.post(path, json=body)
    assert (422, code) == (answer.status_code, answer.json()["code"]), answer.text


def test_without_a_key_where_the_operator_allows_it(server: LiveServer, no_face: bytes) -> None:
    """The older endpoints answer; administration, metrics and the API never do."""
    with httpx.Client(base_url=server.url, timeout=60.0) as nobody:
        assert 200 == nobody.post("/detect", files={"file": no_face}).status_code
        for method, path in (
            ("POST", "/admin/threshold"),
            ("POST", "/admin/reload-model"),
            ("GET", "/metrics"),
            ("GET", "/v1/escalations"),
        ):
            assert 401 == nobody.request(method, path, json={"threshold": 0.1}).status_code


def test_metrics_tell_of_requests_jobs_and_models(server: LiveServer, client: httpx.Client) -> None:
    """For an administrator alone; names of routes, never what clients sent."""
    with server.client(Scope.READ) as reader:
        assert 403 == reader.get("/metrics").status_code
    answer = client.get("/metrics")
    assert 200 == answer.status_code, answer.text
    for name in (
        'dfedge_requests_total{method="POST",route="/detect",status="200"}',
        "dfedge_request_seconds_bucket",
        'dfedge_jobs{state="done"}',
        'dfedge_jobs_finished_total{outcome="done"}',
        "dfedge_model_seconds_bucket",
        "dfedge_workers_alive 1.0",
        "dfedge_blob_bytes",
    ):
        assert name in answer.text, name
    assert "face.png" not in answer.text


def test_the_threshold_is_kept_over_a_restart(tmp_path: Path, face: bytes, no_face: bytes) -> None:
    """It decides the label of these endpoints, is audited, and null gives the label back."""
    with serving(tmp_path) as server, server.client() as client:
        assert {"threshold": 0.0} == client.post("/admin/threshold", json={"threshold": 0.0}).json()
        result = client.post("/detect", files={"file": face}).json()["result"]
        own = _own_label(client, face)
    with serving(tmp_path) as server, server.client() as client:
        again = client.post("/detect", files={"file": face}).json()["result"]
        faceless = client.post("/detect", files={"file": no_face}).json()["result"]
        client.post("/admin/threshold", json={"threshold": None})
        given_back = client.post("/detect", files={"file": face}).json()["result"]
    assert ("FAKE", 0.0) == (result["label"], result["threshold"]) or "UNCERTAIN" == own
    assert result == again
    assert "NO_FACE" == faceless["label"]
    assert own == given_back["label"]


def _own_label(client: httpx.Client, face: bytes) -> str:
    told = client.post("/detect", files={"file": face}).json()
    label: str = client.get(f"/v1/escalations/{told['escalation_id']}").json()["verdict"]["label"]
    return label


def test_workers_load_their_models_anew(server: LiveServer, client: httpx.Client) -> None:
    """When an administrator asks; the server goes on answering."""
    with server.client(Scope.ESCALATE) as device:
        assert 403 == device.post("/admin/reload-model").status_code
    answer = client.post("/admin/reload-model")
    assert (202, True) == (answer.status_code, answer.json()["model_loaded"])
    deadline = 100
    while b"models loaded anew" not in server.log.read_bytes() and deadline:
        threading.Event().wait(0.2)
        deadline -= 1
    assert deadline, "no worker did"
    assert 200 == client.get("/ready").status_code


def test_without_a_worker_nothing_is_ready(tmp_path: Path, face: bytes) -> None:
    """Probes say so, and who waits is told where the work stands, which is kept."""
    with (
        serving(tmp_path, "api", ready=False, max_wait_seconds=1.0) as server,
        server.client() as client,
    ):
        assert {"status": "ok"} == client.get("/health").json()
        ready, healthy = client.get("/ready"), client.get("/healthcheck")
        assert (503, "degraded") == (ready.status_code, ready.json()["status"])
        assert (503, False) == (healthy.status_code, healthy.json()["healthy"])
        late = client.post("/detect", files={"file": face})
        assert (504, "still_working") == (late.status_code, late.json()["code"]), late.text
        assert late.headers["Location"] in late.json()["detail"]
        assert "queued" == client.get(late.headers["Location"]).json()["state"]
