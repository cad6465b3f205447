"""The Compose files: valid, closed, and in step with the image and the settings."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from dfedge_server.settings import PREFIX, Settings
from dfedge_server.work.webhooks import load_secret

OURS = ("api", "worker")
"""Services that run our image."""


@pytest.fixture
def made_secrets(deploy: Path, tmp_path: Path) -> Path:
    """The folder of secrets, made by the script in a copy of its own."""
    folder = tmp_path / "compose"
    shutil.copytree(deploy / "compose", folder, ignore=shutil.ignore_patterns("secrets", "bundles"))
    subprocess.run([folder / "make-secrets.sh"], check=True)
    return folder / "secrets"


@pytest.mark.parametrize("name", ["compose", "gpu_compose"])
def test_it_is_valid_compose(name: str, request: pytest.FixtureRequest) -> None:
    """The Compose specification takes it: no unknown key, every network and secret is there."""
    specification = pytest.importorskip("compose_spec", reason="needs the package compose-spec")
    read = yaml.safe_dump(request.getfixturevalue(name))
    assert specification.PyCompose.from_yaml(read).validate() is None


def test_versions_are_pinned(compose: dict[str, Any]) -> None:
    """No image is whatever happens to be newest."""
    images = {name: service["image"] for name, service in compose["services"].items()}
    assert {} == {name: image for name, image in images.items() if ":" not in image}
    assert [] == [image for image in images.values() if image.endswith(":latest")]


def test_the_image_has_the_version_of_the_package(
    compose: dict[str, Any], gpu_compose: dict[str, Any], resources: list[dict[str, Any]]
) -> None:
    """An upgrade changes all places."""
    from dfedge import __version__

    expected = f"dfedge-server:{__version__}"
    deployed = [
        container["image"]
        for resource in resources
        if resource["kind"] == "Deployment"
        for container in resource["spec"]["template"]["spec"]["containers"]
    ]
    assert [expected] * 4 == [compose["services"][name]["image"] for name in OURS] + deployed
    assert f"{expected}-gpu" == gpu_compose["services"]["worker"]["image"]


def test_every_service_has_limits_and_a_health_check(compose: dict[str, Any]) -> None:
    """None takes the machine down, and none hangs unseen."""
    for service in compose["services"].values():
        assert {"cpus", "memory"} == set(service["deploy"]["resources"]["limits"])
        assert service["healthcheck"]["test"][0] == "CMD"


def test_our_services_are_locked_down(compose: dict[str, Any]) -> None:
    """Read-only, without capabilities, and without a way to more rights."""
    for name in OURS:
        service = compose["services"][name]
        assert service["read_only"] is True
        assert ["ALL"] == service["cap_drop"]
        assert ["no-new-privileges:true"] == service["security_opt"]


def test_only_the_proxy_is_reached_from_outside(compose: dict[str, Any]) -> None:
    """Database and S3 server have no port and no way out."""
    open_services = [name for name, service in compose["services"].items() if "ports" in service]
    assert ["proxy"] == open_services
    assert compose["networks"]["back"]["internal"] is True
    for name in ("db", "s3"):
        assert ["back"] == compose["services"][name]["networks"]


def test_every_setting_is_one(compose: dict[str, Any], gpu_compose: dict[str, Any]) -> None:
    """A name that was mistyped would be ignored without a word."""
    services = [compose["services"][name] for name in OURS] + [gpu_compose["services"]["worker"]]
    names = {name for service in services for name in service["environment"]}
    names |= {name.upper() for name in compose["secrets"] if name.startswith(PREFIX.lower())}
    given = {name.removeprefix(PREFIX).lower() for name in names} - {"secrets"}
    assert set() == given - set(Settings.model_fields)


def test_no_password_is_in_the_file(compose: dict[str, Any]) -> None:
    """Passwords come as files alone."""
    secret = {
        name
        for name, field in Settings.model_fields.items()
        if "SecretStr" in str(field.annotation)
    }
    for name in OURS:
        given = {
            key.removeprefix(PREFIX).lower() for key in compose["services"][name]["environment"]
        }
        assert set() == secret & given


def test_the_script_makes_every_secret(compose: dict[str, Any], made_secrets: Path) -> None:
    """Those that the file names, no more, for nobody else on the machine to enter."""
    named = {Path(secret["file"]).name for secret in compose["secrets"].values()}
    assert named == {path.name for path in made_secrets.iterdir()}
    assert 0o700 == stat.S_IMODE(made_secrets.stat().st_mode)


def test_the_secrets_fit_each_other(compose: dict[str, Any], made_secrets: Path) -> None:
    """PostgreSQL and the S3 server are told the passwords that our services use."""

    def read(name: str) -> str:
        return (made_secrets / name).read_text().strip()

    database = compose["services"]["db"]["environment"]
    url = "postgresql+psycopg://{user}:{password}@db/{name}".format(
        user=database["POSTGRES_USER"],
        password=read("postgres_password"),
        name=database["POSTGRES_DB"],
    )
    assert url == read("dfedge_server_database_url")
    [identity] = json.loads(read("seaweedfs_s3"))["identities"]
    expected = {
        "accessKey": read("dfedge_server_s3_access_key_id"),
        "secretKey": read("dfedge_server_s3_secret_access_key"),
    }
    assert [expected] == identity["credentials"]


def test_the_server_takes_the_webhook_secret(made_secrets: Path) -> None:
    """Workers can sign with what the script made."""
    text = (made_secrets / "dfedge_server_webhook_secret").read_text().strip()
    assert 32 == len(load_secret(Settings(webhook_secret=SecretStr(text))))


def test_the_script_keeps_what_is_there(made_secrets: Path) -> None:
    """Running it again does not lock the server out of its database."""
    before = {path.name: path.read_text() for path in made_secrets.iterdir()}
    subprocess.run([made_secrets.parent / "make-secrets.sh"], check=True, env=dict(os.environ))
    assert before == {path.name: path.read_text() for path in made_secrets.iterdir()}


def test_uploads_pass_the_proxy(deploy: Path) -> None:
    """It lets through more than the server takes, so that clients see the server's own refusal."""
    text = (deploy / "compose" / "Caddyfile").read_text()
    limit = int(text.partition("max_size ")[2].partition("MiB")[0]) * 1024**2
    assert limit > Settings.model_fields["max_upload_bytes"].default
    wait = int(text.partition("response_header_timeout ")[2].partition("s\n")[0])
    assert wait > Settings.model_fields["max_wait_seconds"].default
