"""What runs in place of each image: an image is a command here, and the files are the machine's own."""

from __future__ import annotations

import sys
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.alertmanager_programs import alertmanager
from tests.gobuild import GoProgram, Report, to_stderr
from tests.gobuild.program import cache_folder
from tests.knative.programs import components, queue_proxy

ROOT = Path(__file__).parents[2]
SLUICE = "example.com/sluice:0.1.0"
ALERTMANAGER_IMAGE = "prom/alertmanager"
_CONTROLLERS = GoProgram(
    name="kube-controllers",
    sources=ROOT / "tests" / "apiserver",
    module="k8s.io/kubernetes",
    package="./controllers",
    duration="20 seconds",
)


@dataclass(frozen=True, kw_only=True)
class Image:
    """A command, and what the image's own ENV and WORKDIR would be."""

    command: list[str]
    folder: Path = Path("/")
    environment: dict[str, str] = field(default_factory=dict)


def kube_controllers(*, report: Report = to_stderr) -> Path:
    """Some of kube-controller-manager's controllers. Raises BuildError."""
    return _CONTROLLERS.build(report=report)


def all_images(*, report: Report = to_stderr) -> dict[str, Image]:
    """By the name that manifests have. Raises BuildError."""
    programs = components(report=report) | {"ko://knative.dev/serving/cmd/queue": queue_proxy(report=report)}
    images = {name: Image(command=[str(program)]) for name, program in programs.items()}
    return images | {
        SLUICE: _sluice(),
        ALERTMANAGER_IMAGE: Image(command=[str(alertmanager(report=report))]),
    }


def needed_folders() -> list[Path]:
    """Where the programs are: a volume mounted above one of these must not hide it."""
    return [ROOT, Path(sys.prefix), Path(sys.base_prefix), cache_folder()]


def _sluice() -> Image:
    """As knative/image/Dockerfile has it."""
    return Image(
        command=[str(Path(sysconfig.get_path("scripts")) / "functions-framework"), "--asgi"],
        folder=ROOT,
        environment={"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1", "HOME": "/tmp"},
    )
