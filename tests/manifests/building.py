"""The manifests as `kubectl apply -k` sends them, and the rules in them."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.knative.programs import kubectl, validator

ROOT = Path(__file__).parents[2] / "knative"
FOLDERS = (
    "base",
    "overlays/dev",
    "overlays/production",
    "overlays/sender-tokens",
    "overlays/rules",
    "overlays/labelled",
    "overlays/traces",
    "overlays/rr-events",
    "overlays/audit",
)

Manifest = dict[str, Any]


@cache
def rendered(folder: str) -> str:
    """The output of `kubectl kustomize`, as text."""
    command = [str(kubectl()), "kustomize", str(ROOT / folder)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def objects(folder: str) -> list[Manifest]:
    """The same, decoded anew for each caller."""
    return list(yaml.safe_load_all(rendered(folder)))


def the(kind: str, name: str, *, of: list[Manifest]) -> Manifest:
    """The one object of that kind and name."""
    (found,) = [each for each in of if each["kind"] == kind and each["metadata"]["name"] == name]
    return found


def validate(*manifests: Manifest) -> list[str]:
    """Knative's line for each object: `ok …`, `SKIP …` or `FAIL …: why`."""
    judged = subprocess.run(
        [str(validator())], input=yaml.safe_dump_all(manifests), capture_output=True, text=True, check=False
    )
    assert judged.returncode in (0, 1), judged.stderr
    return judged.stdout.splitlines()
