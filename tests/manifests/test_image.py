"""The image, without a container engine: the steps of its Dockerfile, run on this machine."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.apiserver.process import ServerProcess
from tests.manifests.building import ROOT as MANIFESTS
from tests.manifests.building import objects, the
from tests.support.http import send
from tests.support.kubeconfigs import write_kubeconfig
from tests.support.waiting import wait_for

ROOT = MANIFESTS.parent
DOCKERFILE = MANIFESTS / "image" / "Dockerfile"


def with_arguments(text: str) -> str:
    """ARG's defaults in their places."""
    for name, default in re.findall(r"^ARG (\w+)=(\S+)$", text, re.MULTILINE):
        text = text.replace(f"${{{name}}}", default)
    return text


def instructions(text: str) -> list[tuple[str, str]]:
    """Each instruction and its arguments, in order."""
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#")).replace("\\\n", " ").splitlines()
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines if line.strip())]


STEPS = instructions(with_arguments(DOCKERFILE.read_text()))


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that stands for the image's root: its COPY and RUN steps, with / replaced by the folder."""
    root = tmp_path_factory.mktemp("image")
    (root / "app").mkdir()
    for word, rest in STEPS:
        if word == "COPY" and not rest.startswith("--from"):
            source, target = rest.split()
            _copy(ROOT / source, root / "app" / target)
        if word == "RUN":
            command = [
                part.replace("/opt/venv", f"{root}/venv").replace("/app", f"{root}/app") for part in json.loads(rest)
            ]
            command[0] = sys.executable if command[0] == "python" else command[0]
            subprocess.run(command, cwd=root / "app", check=True, capture_output=True)
    return root


def _copy(source: Path, target: Path) -> None:
    # As .dockerignore says it.
    if source.is_file():
        shutil.copy(source, target)
        return
    shutil.copytree(source, target, ignore=lambda folder, names: [n for n in names if _is_ignored(Path(folder) / n)])


def _is_ignored(path: Path) -> bool:
    return path == ROOT / "core" / "local" or (path.is_file() and path.suffix != ".py") or path.name == "__pycache__"


def test_everything_is_compiled(image: Path) -> None:
    sources = list((image / "app").rglob("*.py"))
    assert len(sources) > 50
    assert [path for path in sources if not list((path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"))] == []


def test_nothing_of_a_persons_machine_is_inside(image: Path) -> None:
    assert not (image / "app" / "core" / "local").exists()
    packages = {path.name.partition("-")[0] for path in (image / "venv").glob("lib/*/site-packages/*.dist-info")}
    assert "functions_framework" in packages
    assert not packages & {"kubernetes", "grpcio", "google_cloud_pubsub"}, "for REQUIREMENTS=requirements.txt alone"
    assert not packages & {"pytest", "typer", "rich", "ruff", "hypothesis"}


@pytest.mark.parametrize("name", ["alertmanager", "kubernetes_event", "pubsub", "dead_letters"])
def test_each_function_starts_from_a_read_only_root(image: Path, tmp_path: Path, name: str) -> None:
    entrypoint = json.loads(dict(STEPS)["ENTRYPOINT"])
    home = tmp_path / "tmp"
    home.mkdir()
    environment = {
        "PATH": f"{image}/venv/bin:{os.defpath}",
        "HOME": str(home),
        "TMPDIR": str(home),
        "HOST": "127.0.0.1",
        "PORT": "0",
        "GUNICORN_LOG_LEVEL": "info",
        "FUNCTION_SOURCE": f"functions/{name}.py",
        "FUNCTION_TARGET": name,
        "KUBECONFIG": str(write_kubeconfig(tmp_path)),
    }
    read_only = f"mount --bind {image} {image} && mount -o remount,ro,bind {image} && cd {image}/app"
    refused = "! touch core/written 2>/dev/null"
    script = f"{read_only} && {refused} && exec {shlex.join(entrypoint)}"
    process = ServerProcess(
        [shutil.which("unshare") or "unshare", "--map-root-user", "--mount", "sh", "-c", script],
        log_file=tmp_path / "log",
        environment=environment,
    )
    process.start()
    try:
        wait_for(lambda: _listening(process), what="the function to listen", within=30)
        port = process.log_file.read_text().partition("Listening at: http://127.0.0.1:")[2].split()[0]
        assert send("GET", f"http://127.0.0.1:{port}/healthz").status == 200
    finally:
        process.kill()
    assert "Error" not in process.log_file.read_text(), process.log_file.read_text()


def _listening(process: ServerProcess) -> bool:
    assert not process.ended_within(0), process.log_tail()
    return "Application startup complete" in process.log_tail() or "Booting worker" in process.log_tail()


def test_user_of_the_image_is_the_one_of_the_manifests() -> None:
    user, _, group = dict(STEPS)["USER"].partition(":")
    for name in ("sluice-alertmanager", "sluice-kubernetes-event", "sluice-pubsub", "sluice-dead-letters"):
        container = the("Service", name, of=objects("base"))["spec"]["template"]["spec"]["containers"][0]
        assert str(container["securityContext"]["runAsUser"]) == user == group
        assert (ROOT / next(each["value"] for each in container["env"] if each["name"] == "FUNCTION_SOURCE")).exists()
    assert user not in ("", "0")


def test_base_images_are_pinned_by_tag_and_digest_and_the_same() -> None:
    files = [ROOT / path for path in _tracked("*Dockerfile")]
    assert DOCKERFILE in files
    assert len(files) >= 3
    bases = {base for file in files for base in bases_of(file.read_text())}
    (base,) = bases
    assert re.fullmatch(r"python:\d+\.\d+\.\d+-slim-bookworm@sha256:[0-9a-f]{64}", base), base


def bases_of(text: str) -> list[str]:
    """What a Dockerfile builds on, apart from its own stages and from nothing."""
    froms = [rest.split() for word, rest in instructions(with_arguments(text)) if word == "FROM"]
    stages = {words[2] for words in froms if len(words) == 3}
    return [words[0] for words in froms if words[0] not in stages | {"scratch"}]


@pytest.mark.parametrize(
    ("text", "bases"),
    [
        ("FROM a:1@sha256:0 AS build\nFROM build\n", ["a:1@sha256:0"]),
        ("ARG BASE=a:1\nFROM ${BASE} AS one\nFROM scratch\nCOPY --from=one /a /a\n", ["a:1"]),
    ],
)
def test_base_is_what_is_no_stage(text: str, bases: list[str]) -> None:
    assert bases_of(text) == bases


def _tracked(pattern: str) -> list[str]:
    command = ["git", "ls-files", "--", pattern]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
