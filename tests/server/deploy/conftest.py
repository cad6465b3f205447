"""The files of ``deploy/``, read as Docker, Compose and kubectl would."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
COMPOSE = DEPLOY / "compose"
KUBERNETES = DEPLOY / "kubernetes"


@dataclass
class Dockerfile:
    """What a Dockerfile says.

    Attributes:
        bases: images it is made from.
        copied: paths of the build context.
        environment: ``ENV`` of the last stage.
        words: other instructions of the last stage, by name; the last of a kind counts.
    """

    bases: list[str] = field(default_factory=list)
    copied: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)

    @property
    def entrypoint(self) -> list[str]:
        """The program that runs, and its first words."""
        return list(json.loads(self.words["ENTRYPOINT"]))

    @property
    def health(self) -> list[str]:
        """The program that tells whether it is well."""
        return list(json.loads(self.words["HEALTHCHECK"].partition("CMD ")[2]))


def read_dockerfile(path: Path) -> Dockerfile:
    """Read one of ours: every instruction on a line of its own, or continued."""
    text = re.sub(r"^#.*\n", "", path.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    found = Dockerfile()
    for line in filter(None, map(str.strip, text.splitlines())):
        name, _, rest = line.partition(" ")
        rest = rest.strip()
        if name == "FROM":
            found.bases.append(rest.split()[0])
            found.environment, found.words = {}, {}
        elif name == "COPY" and not rest.startswith("--from"):
            found.copied += rest.split()[:-1]
        elif name == "ENV":
            found.environment |= dict(word.split("=", 1) for word in shlex.split(rest))
        else:
            found.words[name] = rest
    return found


def read_compose(name: str, **variables: str) -> dict[str, Any]:
    """A Compose file with its variables filled in, by their defaults where none is given."""

    def value(match: re.Match[str]) -> str:
        given = variables.get(match["name"]) or match["default"]
        assert given, f"{match[0]} is not given"
        return given

    text = (COMPOSE / name).read_text()
    filled = re.sub(r"\$\{(?P<name>\w+)(?::-(?P<default>[^}]*))?(?::\?[^}]*)?\}", value, text)
    read: dict[str, Any] = yaml.safe_load(filled)
    return read


def read_kubernetes() -> list[dict[str, Any]]:
    """Every resource of the example, the secret from its template."""
    paths = [path for path in sorted(KUBERNETES.glob("*.yaml")) if path.name != "secret.yaml"]
    documents = [found for path in paths for found in yaml.safe_load_all(path.read_text())]
    return [found for found in documents if found["kind"] != "Kustomization"]


@pytest.fixture(scope="session")
def deploy() -> Path:
    """The folder ``deploy``."""
    return DEPLOY


@pytest.fixture(scope="session", params=["Dockerfile", "Dockerfile.gpu"])
def dockerfile(request: pytest.FixtureRequest) -> Dockerfile:
    """Each Dockerfile in turn."""
    return read_dockerfile(DEPLOY / request.param)


@pytest.fixture(scope="session")
def image() -> Dockerfile:
    """The Dockerfile of the image that Compose and Kubernetes run."""
    return read_dockerfile(DEPLOY / "Dockerfile")


@pytest.fixture(scope="session")
def compose() -> dict[str, Any]:
    """The Compose file, for ``dfedge.example.org``."""
    return read_compose("compose.yaml", DFEDGE_HOST="dfedge.example.org", DFEDGE_BUNDLES="/bundles")


@pytest.fixture(scope="session")
def gpu_compose() -> dict[str, Any]:
    """What the Compose file for GPUs changes."""
    return read_compose("compose.gpu.yaml")


@pytest.fixture(scope="session")
def resources() -> list[dict[str, Any]]:
    """Every resource of the Kubernetes example."""
    return read_kubernetes()
