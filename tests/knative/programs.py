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
_DEFINITIONS = {"knative.dev/serving": "config/core/300-resources", "knative.dev/eventing": "config/core/resources"}


def validator(*, report: Report = to_stderr) -> Path:
    """What judges objects as Knative's webhooks do. Raises BuildError."""
    return _VALIDATOR.build(report=report)


def queue_proxy(*, report: Report = to_stderr) -> Path:
    """The proxy that Knative puts before each instance. Raises BuildError."""
    return _QUEUE_PROXY.build(report=report)


def kubectl(*, report: Report = to_stderr) -> Path:
    """The client that people use, kustomize included. Raises BuildError."""
    return _KUBECTL.build(report=report)


def definition_folders() -> list[Path]:
    """Folders with the CRDs of Serving and Eventing, in Go's module cache. Raises BuildError."""
    go = find_go(_SOURCES, what="Knative")
    return [_module_folder(go, module) / folder for module, folder in _DEFINITIONS.items()]


def _module_folder(go: Path, module: str) -> Path:
    # `download` brings it where only the binaries were kept.
    command = [str(go), "mod", "download", "-json", module]
    asked = subprocess.run(command, cwd=_SOURCES, env=go_environment(), capture_output=True, text=True, check=False)
    if asked.returncode:
        raise BuildError(f"{module} cannot be had: {asked.stderr.strip() or asked.stdout.strip()}")
    return Path(json.loads(asked.stdout)["Dir"])
