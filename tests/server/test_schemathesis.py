"""The OpenAPI document against a real server: it tells of every answer, and none is a 5xx."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from dfedge_server.app import create_app
from dfedge_server.settings import Settings

from .attacks.hostile import png
from .conftest import LiveServer
from .serving import serving

EXAMPLES = 15
"""Of each operation and way of drawing them."""

CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]

DOCUMENT = create_app(Settings()).openapi_schema.to_schema()
OPERATIONS = {
    found.ok().label: found.ok()
    for found in schemathesis.openapi.from_dict(DOCUMENT).get_all_operations()
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """With short times, so that addresses drawn at random end soon."""
    with serving(
        tmp_path_factory.mktemp("documented"),
        fetch_seconds=1.0,
        max_upload_bytes=1024**2,
        max_queue=100_000,
        max_queue_per_tenant=100_000,
    ) as server:
        yield server


@pytest.fixture(scope="module")
def key(server: LiveServer) -> dict[str, str]:
    """Headers with a key of all scopes."""
    return server.key().headers


def test_the_document_served_is_that_of_the_application(server: LiveServer) -> None:
    """OpenAPI 3.1, the same for everybody."""
    served = httpx.get(f"{server.url}/v1/openapi.json").json()
    assert served["openapi"].startswith("3.1")
    assert sorted(DOCUMENT["paths"]) == sorted(served["paths"])


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("label", OPERATIONS)
def test_answers_are_those_of_the_document(
    server: LiveServer, key: dict[str, str], label: str, mode: GenerationMode
) -> None:
    """Status, headers, media type, and body by its schema, for requests that fit or do not."""
    _hold(server, OPERATIONS[label], key, generation_mode=mode)


@pytest.mark.parametrize("label", [label for label in OPERATIONS if "{escalation_id}" in label])
def test_answers_about_an_escalation_are_those_of_the_document(
    server: LiveServer, key: dict[str, str], label: str
) -> None:
    """The same for one that is there, and has ended."""
    picture = png(64, 64, rows=bytes(9) * 64)
    asked = httpx.post(f"{server.url}/detect", files={"file": picture}, headers=key, timeout=60)
    known = {"escalation_id": asked.json()["escalation_id"]}
    _hold(server, OPERATIONS[label], key, path_parameters=known)


def _hold(
    server: LiveServer, operation: APIOperation[Any, Any, Any, Any], key: dict[str, str], **how: Any
) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
    )
    @given(case=operation.as_strategy(**how))
    def hold(case: schemathesis.Case) -> None:
        case.call_and_validate(base_url=server.url, headers=key, checks=CHECKS, timeout=60)

    hold()
