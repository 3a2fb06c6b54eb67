"""Helm, built from its Go module, and our chart as it renders."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import yaml

from tests.gobuild import ModuleCopy, Report, to_stderr
from tests.manifests.building import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.manifests.building import Manifest

CHART = ROOT / "helm" / "sluice"
_HELM = ModuleCopy(
    name="helm",
    module="helm.sh/helm/v4",
    version="v4.3.1",
    digest="h1:UndCoLe9UPmNoL7IvWzaUXveL7T5t/ijoorEmgJdI9g=",
    packages=("cmd/helm",),
    duration="3 minutes",
)


def helm(*, report: Report = to_stderr) -> Path:
    """The client that people use. Raises BuildError."""
    return _HELM.build(report=report) / "helm"


def template(*arguments: str, values: dict[str, Any] | None = None, namespace: str = "sluice-system") -> list[Manifest]:
    """What an install would send to the API server, the definition included."""
    done = run("template", "sluice", str(CHART), "--include-crds", "--namespace", namespace, *arguments, values=values)
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def run(*arguments: str, values: dict[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
    """Run Helm; `values` are its --values."""
    chosen = ["--values", "-"] if values is not None else []
    return subprocess.run(
        [str(helm()), *arguments, *chosen],
        input=yaml.safe_dump(values) if values is not None else None,
        capture_output=True,
        text=True,
        check=False,
    )
