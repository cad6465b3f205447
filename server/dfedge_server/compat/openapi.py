"""How forms of files stand in the OpenAPI document; handlers read them as they stream in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from litestar.openapi.spec import OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema

TAGS: Final = ["compatible"]

_FILE: Final = Schema(
    type=OpenAPIType.STRING,
    content_media_type="application/octet-stream",
    description="A picture or a clip",
)


@dataclass
class OneFile(Operation):
    """An operation whose body is a form with one part ``file``."""

    def __post_init__(self) -> None:
        """Describe the body."""
        self.request_body = _form("file", _FILE)


@dataclass
class SeveralFiles(Operation):
    """An operation whose body is a form with parts ``files``."""

    def __post_init__(self) -> None:
        """Describe the body."""
        self.request_body = _form("files", Schema(type=OpenAPIType.ARRAY, items=_FILE, min_items=1))


def _form(part: str, schema: Schema) -> RequestBody:
    form = Schema(
        type=OpenAPIType.OBJECT,
        properties={part: schema},
        required=[part],
        additional_properties=False,
    )
    return RequestBody(content={"multipart/form-data": OpenAPIMediaType(form)}, required=True)
