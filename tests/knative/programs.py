"""The programs of this module, and Knative's definitions."""

import json
import subprocess
from pathlib import Path

from tests.gobuild import BuildError, GoProgram, Report, to_stderr
from tests.gobuild.toolchain import find_go, go_environment

_SOURCES = Path(__file__).parent
_VALIDATOR = GoProgram(
    name="knative-validate",
    sources=_SOURCES,
    module="knative.dev/serving",
    package="./cmd/validate",
    duration="2 minutes",
)
_QUEUE_PROXY = GoProgram(
    name="queue-proxy", sources=_SOURCES, module="knative.dev/serving", package="./cmd/queue-proxy"
)
_KUBECTL = GoProgram(
    name="kubectl",
    sources=_SOURCES,
    module="k8s.io/kubectl",
    package="./cmd/kubectl",
    version_variable="k8s.io/component-base/version.gitVersion",  # else it cannot read its own, and says so
)
_SERVING = "knative.dev/serving"
_EVENTING = "knative.dev/eventing"
_COMPONENTS = {
    _SERVING: ("activator", "autoscaler", "controller", "webhook"),
    _EVENTING: (
        "controller",
        "webhook",
        "mtchannel_broker",
        "broker/ingress",
        "broker/filter",
        "in_memory/channel_controller",
        "in_memory/channel_dispatcher",
        "apiserver_receive_adapter",
    ),
}
_DEFINITIONS = {"knative.dev/serving": "config/core/300-resources", "knative.dev/eventing": "config/core/resources"}


_OPERATOR = "github.com/prometheus-operator/prometheus-operator@v0.85.0"
_OPERATOR_SUM = "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s="
_OPERATOR_FOLDER = "example/prometheus-operator-crd"
_OPERATOR_KINDS = ("alertmanagerconfigs", "podmonitors", "prometheusrules")


def validator(*, report: Report = to_stderr) -> Path:
    """What judges objects as Knative's webhooks do. Raises BuildError."""
    return _VALIDATOR.build(report=report)


def queue_proxy(*, report: Report = to_stderr) -> Path:
    """The proxy that Knative puts before each instance. Raises BuildError."""
    return _QUEUE_PROXY.build(report=report)


def kubectl(*, report: Report = to_stderr) -> Path:
    """The client that people use, kustomize included. Raises BuildError."""
    return _KUBECTL.build(report=report)


def broker_filter(*, report: Report = to_stderr) -> Path:
    """What a Broker puts between a Trigger's channel and its subscriber. Raises BuildError."""
    return _component(_EVENTING, "broker/filter").build(report=report)


def components(*, report: Report = to_stderr) -> dict[str, Path]:
    """All other programs of Serving and Eventing, by the image that their manifests name. Raises BuildError."""
    return {
        f"ko://{module}/cmd/{name}": _component(module, name).build(report=report)
        for module, names in _COMPONENTS.items()
        for name in names
    }


def _component(module: str, name: str) -> GoProgram:
    # The first one compiles what all others share; Serving's and Eventing's controllers have the most of their own.
    duration = {"activator": "3 minutes", "controller": "a minute"}.get(name, "10 seconds")
    return GoProgram(
        name=f"{module.replace('.dev/', '-')}-{name.replace('/', '-')}",
        sources=_SOURCES,
        module=module,
        package=f"{module}/cmd/{name}",
        duration=duration,
    )


def definition_folders() -> list[Path]:
    """Folders with the CRDs of Serving and Eventing, in Go's module cache. Raises BuildError."""
    return [module_folder(module) / folder for module, folder in _DEFINITIONS.items()]


def module_folder(module: str) -> Path:
    """Where a module that go.mod requires is in Go's module cache; it has Knative's manifests. Raises BuildError."""
    return _download(find_go(_SOURCES, what="Knative"), module)[0]


def prometheus_operator_definitions() -> list[Path]:
    """Files with the CRDs of Prometheus Operator that our examples use. Raises BuildError."""
    folder, digest = _download(find_go(_SOURCES, what="Prometheus Operator's definitions"), _OPERATOR)
    if digest != _OPERATOR_SUM:
        raise BuildError(f"{_OPERATOR} has the digest {digest}, not {_OPERATOR_SUM}")
    return [folder / _OPERATOR_FOLDER / f"monitoring.coreos.com_{kind}.yaml" for kind in _OPERATOR_KINDS]


def _download(go: Path, module: str) -> tuple[Path, str]:
    """Bring a module where only the binaries were kept; return its folder and its digest."""
    command = [str(go), "mod", "download", "-json", module]
    asked = subprocess.run(command, cwd=_SOURCES, env=go_environment(), capture_output=True, text=True, check=False)
    if asked.returncode:
        raise BuildError(f"{module} cannot be had: {asked.stderr.strip() or asked.stdout.strip()}")
    answer = json.loads(asked.stdout)
    return Path(answer["Dir"]), answer["Sum"]
