"""The manifests: valid to Kubernetes, and in agreement with the image, the settings and the server."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from app.api import health
from app.cli.serve import GRACE_SECONDS
from app.settings import Settings
from app.workers.worker import GRACE_SECONDS as WORKERS_GRACE

PROJECT = Path(__file__).parents[2]
FOLDER = PROJECT / "deploy" / "k8s"
DOCKERFILE = (PROJECT / "Dockerfile").read_text(encoding="utf-8")
NAMES = {name.upper() for name in Settings.model_fields}
SECRETS = {"DATABASE_URL", "REDIS_URL", "ENCRYPTION_KEYS", "INDEX_KEYS", "IDEMPOTENCY_SECRET"}
Manifest = dict[str, Any]


def kustomization(folder: str = "") -> Manifest:
    read: Manifest = yaml.safe_load((FOLDER / folder / "kustomization.yaml").read_text(encoding="utf-8"))
    return read


def manifests() -> Iterator[Manifest]:
    for folder in ("", "migrate"):
        for resource in kustomization(folder)["resources"]:
            yield from yaml.safe_load_all((FOLDER / folder / resource).read_text(encoding="utf-8"))


ALL = list(manifests())


def of_kind(kind: str, name: str = "pms-gateway") -> Manifest:
    return next(one for one in ALL if (one["kind"], one["metadata"]["name"]) == (kind, name))


def pods() -> Iterator[tuple[str, Manifest]]:
    for one in ALL:
        if one["kind"] in {"Deployment", "Job"}:
            yield one["metadata"]["name"], one["spec"]["template"]


def containers() -> Iterator[Manifest]:
    for _, pod in pods():
        yield from (*pod["spec"]["containers"], *pod["spec"].get("initContainers", []))


@pytest.mark.parametrize("manifest", ALL, ids=lambda one: f"{one['kind']} {one['metadata']['name']}")
def test_a_manifest_is_valid(manifest: Manifest) -> None:
    kubernetes_validate.validate(manifest, "1.37", strict=True)


def test_every_manifest_is_applied_and_the_secrets_are_only_an_example() -> None:
    applied = {FOLDER / folder / name for folder in ("", "migrate") for name in kustomization(folder)["resources"]}
    there = {path for path in FOLDER.rglob("*.yaml") if path.name != "kustomization.yaml"}
    assert there - applied == {FOLDER / "example" / "secrets.yaml"}
    assert "Secret" not in {one["kind"] for one in ALL}
    assert kustomization()["images"] == kustomization("migrate")["images"], "what is migrated is what is rolled out"


@pytest.mark.parametrize("folder", ["", "migrate"])
def test_kustomize_builds_it(folder: str) -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not on PATH")
    done = subprocess.run([kubectl, "kustomize", str(FOLDER / folder)], capture_output=True, text=True, check=False)  # noqa: S603 - found on PATH
    assert done.returncode == 0, done.stderr
    for manifest in yaml.safe_load_all(done.stdout):
        kubernetes_validate.validate(manifest, "1.37", strict=True)
        assert manifest["metadata"]["namespace"] == "pms-gateway"


def test_every_setting_is_one_that_there_is_and_secrets_are_secrets() -> None:
    plain = of_kind("ConfigMap")["data"].keys()
    assert plain <= NAMES - SECRETS
    example = yaml.safe_load_all((FOLDER / "example" / "secrets.yaml").read_text(encoding="utf-8"))
    secrets = {one["metadata"]["name"]: one["stringData"].keys() for one in example}
    assert secrets["pms-gateway"] == SECRETS
    required = {name.upper() for name, field in Settings.model_fields.items() if field.is_required()}
    assert required <= plain | secrets["pms-gateway"]
    for container in containers():
        for variable in container.get("env", []):
            reference = variable["valueFrom"]["secretKeyRef"]
            assert reference["key"] in secrets[reference["name"]]
        for source in container.get("envFrom", []):
            assert next(iter(source.values()))["name"] == "pms-gateway"


def test_the_processes_that_share_quotas_are_as_many_as_there_can_be() -> None:
    most = of_kind("HorizontalPodAutoscaler")["spec"]["maxReplicas"]
    workers = of_kind("Deployment", "pms-gateway-worker")["spec"]["replicas"]
    assert of_kind("ConfigMap")["data"]["EXPECTED_PROCESSES"] == str(most + workers)
    assert "replicas" not in of_kind("Deployment")["spec"], "they are the autoscaler's"


def test_selectors_find_the_pods_that_they_mean() -> None:
    labels = {name: pod["metadata"]["labels"] for name, pod in pods()}

    def found(selector: dict[str, str]) -> set[str]:
        return {name for name, mine in labels.items() if selector.items() <= mine.items()}

    for name in ("pms-gateway", "pms-gateway-worker"):
        assert found(of_kind("Deployment", name)["spec"]["selector"]["matchLabels"]) == {name}
        assert found(of_kind("PodDisruptionBudget", name)["spec"]["selector"]["matchLabels"]) == {name}
        for spread in of_kind("Deployment", name)["spec"]["template"]["spec"]["topologySpreadConstraints"]:
            assert found(spread["labelSelector"]["matchLabels"]) == {name}
    assert found(of_kind("Service")["spec"]["selector"]) == {"pms-gateway"}
    assert found(of_kind("NetworkPolicy")["spec"]["podSelector"]["matchLabels"]) == {
        "pms-gateway",
        "pms-gateway-worker",
    }
    callers = of_kind("NetworkPolicy", "pms-gateway-callers")
    assert found(callers["spec"]["podSelector"]["matchLabels"]) == {"pms-gateway"}
    target = of_kind("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    assert of_kind(target["kind"], target["name"])["apiVersion"] == target["apiVersion"]


def test_probes_and_ports_are_those_of_the_image() -> None:
    (gateway,) = of_kind("Deployment")["spec"]["template"]["spec"]["containers"]
    (port,) = gateway["ports"]
    assert f"EXPOSE {port['containerPort']}" in DOCKERFILE
    served = " ".join(gateway["command"])
    assert served.startswith(f"pms-gateway serve --host 0.0.0.0 --port {port['containerPort']} ")
    paths = {route.path for route in health.router.routes if hasattr(route, "path")}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert gateway[probe]["httpGet"]["path"] in paths
        assert gateway[probe]["httpGet"]["port"] == port["name"]
    assert gateway["livenessProbe"]["httpGet"]["path"] == "/health/live", "a restart brings no Postgres back"
    assert of_kind("Service")["spec"]["ports"][0]["targetPort"] == port["name"]


def test_who_serves_has_the_time_to_drain_and_to_finish() -> None:
    gateway = of_kind("Deployment")["spec"]["template"]["spec"]
    command = gateway["containers"][0]["command"]
    drain = float(command[command.index("--drain") + 1])
    probe = gateway["containers"][0]["readinessProbe"]
    assert drain > probe["periodSeconds"] * probe["failureThreshold"]
    assert gateway["terminationGracePeriodSeconds"] >= drain + GRACE_SECONDS + 10
    worker = of_kind("Deployment", "pms-gateway-worker")["spec"]["template"]["spec"]
    assert worker["terminationGracePeriodSeconds"] >= WORKERS_GRACE + 10


def test_nobody_is_root_or_writes_or_has_a_token() -> None:
    user = int(DOCKERFILE.split("USER ")[1].split(":")[0])
    for name, pod in pods():
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False, name
        assert (spec["securityContext"]["runAsNonRoot"], spec["securityContext"]["runAsUser"]) == (True, user)
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in containers():
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert {"requests", "limits"} <= container["resources"].keys()


def test_mounts_have_their_volumes() -> None:
    for name, pod in pods():
        volumes = {volume["name"] for volume in pod["spec"]["volumes"]}
        mounted = {
            mount["name"]
            for container in (*pod["spec"]["containers"], *pod["spec"].get("initContainers", []))
            for mount in container["volumeMounts"]
        }
        assert mounted == volumes, name
