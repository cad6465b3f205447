"""Traces, read back by a small collector that listens on a real socket."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from PIL import Image as Pillow

from dfedge.escalation.wire import State
from dfedge.types import Image
from dfedge_server.settings import Settings
from dfedge_server.telemetry import tracing
from dfedge_server.telemetry.work import measure_job, tell_model

from ..serving import serving


class Collector:
    """Keeps the spans it is sent."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    for scope in resource.scope_spans:
                        collector.spans.extend(scope.spans)
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    """An OpenTelemetry collector."""
    collector = Collector()
    yield collector
    tracing.shutdown()
    collector.close()


def test_one_trace_leads_from_request_to_model(collector: Collector, tmp_path: Path) -> None:
    """A job goes on under the request that asked for it, by what its row carries, and models
    under the job."""
    tracing.configure(Settings(data_dir=tmp_path, otlp_endpoint=collector.endpoint))
    with tracing.span("request"):
        carried = tracing.current_traceparent()
    assert carried is not None
    with measure_job(uuid4(), carried) as measure:
        tell_model("some-model", 0.25)
        measure.outcome = State.DONE
    tracing.shutdown()
    spans = {span.name: span for span in collector.spans}
    assert {"request", "job", "model"} == set(spans)
    assert 1 == len({span.trace_id for span in spans.values()})
    assert spans["request"].span_id == spans["job"].parent_span_id
    model = spans["model"]
    assert spans["job"].span_id == model.parent_span_id
    assert 250_000_000 == model.end_time_unix_nano - model.start_time_unix_nano


def test_an_error_is_traced_without_its_message(collector: Collector, tmp_path: Path) -> None:
    """What an exception says may hold what a client sent, so it is not sent on."""
    tracing.configure(Settings(data_dir=tmp_path, otlp_endpoint=collector.endpoint))
    with pytest.raises(ValueError, match="secret"), tracing.span("model"):
        raise ValueError("secret")
    tracing.shutdown()
    assert b"secret" not in collector.spans[0].SerializeToString()


def test_without_a_collector_there_is_no_trace(tmp_path: Path) -> None:
    """Nothing is carried along when tracing is off."""
    tracing.configure(Settings(data_dir=tmp_path))
    with tracing.span("request"):
        assert tracing.current_traceparent() is None


def test_a_real_server_sends_one_trace_from_request_to_model(
    collector: Collector, tmp_path: Path, portrait: Image
) -> None:
    """The API, the job in the worker, and the model that judged."""
    picture = io.BytesIO()
    Pillow.fromarray(portrait).save(picture, "PNG")
    with serving(tmp_path, otlp_endpoint=collector.endpoint) as server:
        with server.client() as client:
            answer = client.post("/detect", files={"file": picture.getvalue()})
        assert 200 == answer.status_code, answer.text
        assert 0 == server.stop()
    spans = {span.name: span for span in collector.spans if not span.name.startswith("GET")}
    assert {"POST /detect", "job", "model"} == set(spans)
    assert 1 == len({span.trace_id for span in spans.values()})
    assert spans["POST /detect"].span_id == spans["job"].parent_span_id
    assert spans["job"].span_id == spans["model"].parent_span_id
