"""The Kubernetes example: valid, closed, and in step with the image and the settings."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

import pytest
import yaml

from dfedge_server.settings import PREFIX, Settings

Resources = list[dict[str, Any]]


def of_kind(resources: Resources, kind: str) -> dict[str, dict[str, Any]]:
    """Resources of a kind, by name."""
    return {found["metadata"]["name"]: found for found in resources if found["kind"] == kind}


def pods(resources: Resources) -> dict[str, dict[str, Any]]:
    """The pod of each deployment."""
    deployments = of_kind(resources, "Deployment")
    return {name: found["spec"]["template"]["spec"] for name, found in deployments.items()}


def test_kubernetes_takes_every_resource(resources: Resources) -> None:
    """Each fits the schema of its kind, without an unknown key."""
    kubernetes = pytest.importorskip("kubernetes_validate", reason="needs kubernetes-validate")
    assert len(resources) > 10
    for resource in resources:
        kubernetes.validate(resource, kubernetes.latest_version(), strict=True)


def test_kustomize_names_every_file(deploy: Path) -> None:
    """None is forgotten, and none is missing but the secret, which the operator makes."""
    folder = deploy / "kubernetes"
    named = set(yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"])
    there = {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml"}
    assert named == there - {"secret.example.yaml"} | {"secret.yaml"}


def test_pods_are_locked_down(resources: Resources, image: Any) -> None:
    """The image's own user, read-only, without capabilities or a token of the cluster."""
    for pod in pods(resources).values():
        user = f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}"
        assert image.words["USER"] == user
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        [container] = pod["containers"]
        assert {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        } == container["securityContext"]
        assert "memory" in container["resources"]["limits"]


def test_what_is_written_has_a_volume(resources: Resources, image: Any) -> None:
    """A read-only root needs the data folder and /tmp."""
    for pod in pods(resources).values():
        mounts = {mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
        assert {image.environment["DFEDGE_SERVER_DATA_DIR"], "/tmp"} <= mounts


def test_every_setting_is_one(resources: Resources) -> None:
    """A name that was mistyped would be ignored without a word."""
    config = of_kind(resources, "ConfigMap")["dfedge"]["data"]
    secret = of_kind(resources, "Secret")["dfedge"]["stringData"]
    given = {name.lower().removeprefix(PREFIX.lower()) for name in [*config, *secret]}
    assert set() == given - {"secrets"} - set(Settings.model_fields)
    assert config["DFEDGE_SERVER_SECRETS"] in {
        mount["mountPath"]
        for pod in pods(resources).values()
        for mount in pod["containers"][0]["volumeMounts"]
    }


def test_selectors_find_their_pods(resources: Resources) -> None:
    """Service, disruption budgets, autoscaler and network policies mean pods that exist."""
    labels = {
        name: found["spec"]["template"]["metadata"]["labels"]
        for name, found in of_kind(resources, "Deployment").items()
    }
    service = of_kind(resources, "Service")["api"]["spec"]["selector"]
    assert labels["api"] == service
    for name, budget in of_kind(resources, "PodDisruptionBudget").items():
        assert labels[name] == budget["spec"]["selector"]["matchLabels"]
    target = of_kind(resources, "HorizontalPodAutoscaler")["worker"]["spec"]["scaleTargetRef"]
    assert target["name"] in labels
    policies = of_kind(resources, "NetworkPolicy").values()
    chosen = [policy["spec"]["podSelector"].get("matchLabels", {}) for policy in policies]
    for selector in chosen:
        assert any(selector.items() <= own.items() for own in labels.values())


@pytest.mark.parametrize(
    "address",
    [
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.31.0.1",
        "192.168.1.1",
        "224.0.0.1",
        "::1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "fd00::1",
        "fe80::1",
        "ff02::1",
        "2002:a00:1::",
    ],
)
def test_workers_reach_no_private_address(resources: Resources, address: str) -> None:
    """What a URL or a webhook may never reach is closed in the network too."""
    assert not reachable(resources, address)


@pytest.mark.parametrize("address", ["1.1.1.1", "172.32.0.1", "2606:4700::1111"])
def test_workers_reach_the_internet(resources: Resources, address: str) -> None:
    """Fetching is what they are for."""
    assert reachable(resources, address)


def reachable(resources: Resources, address: str) -> bool:
    """Whether the policy of workers lets a connection to an address out."""
    asked = ipaddress.ip_address(address)
    policy = of_kind(resources, "NetworkPolicy")["internet-for-workers"]
    for rule in policy["spec"]["egress"]:
        for to in rule["to"]:
            block = ipaddress.ip_network(to["ipBlock"]["cidr"])
            excepted = [ipaddress.ip_network(one) for one in to["ipBlock"]["except"]]
            assert all(one.subnet_of(block) for one in excepted)  # type: ignore[arg-type]
            if asked in block and not any(asked in one for one in excepted):
                return True
    return False


def test_nothing_is_open_by_default(resources: Resources) -> None:
    """A policy closes both ways for every pod."""
    policy = of_kind(resources, "NetworkPolicy")["nothing-by-default"]
    assert {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]} == policy["spec"]
