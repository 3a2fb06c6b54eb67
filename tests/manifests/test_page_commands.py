"""The commands that the pages tell people to paste exist, with their options: asked of the programs themselves where
they can be had, and of their reference where not."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.knative.programs import kubectl
from tests.manifests.helm import helm
from tests.serverless.test_deploying import DOCUMENTED
from tests.support.pages import PAGES, shell_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# From the references of the programs that no registry of packages brings.
REFERENCE = {
    **{f"gcloud {command}": flags | {"--project"} for command, flags in DOCUMENTED.items()},
    "gcloud iam service-accounts add-iam-policy-binding": {"--role", "--member", "--project"},
    "docker build": {"-f", "-t", "--build-arg"},
    "docker push": set(),
    "docker run": {"--read-only", "--tmpfs", "-p", "--user", "-v", "-e"},
    "pack build": {"--builder", "--env"},
    "terraform init": set(),
    "terraform apply": {"-var"},
    "kustomize edit set image": set(),
}
OTHERS = {command.split()[0] for command in REFERENCE}


def commands(*programs: str) -> Iterator[pytest.ParameterSet]:
    for page in PAGES:
        for words in shell_lines(page):
            if words[0] in programs:
                yield pytest.param(words, id=f"{page.stem}: {' '.join(words)[:60]}")


def asked(program: Callable[[], Path], words: list[str], folder: Path) -> str:
    """What the program says of a command when it is asked for help; it reads the options before."""
    end = next((number for number, word in enumerate(words) if word.startswith(">")), len(words))
    asking = subprocess.run(
        [str(program()), *words[1:end], "--help"],
        env={"HOME": str(folder), "PATH": os.defpath},
        capture_output=True,
        text=True,
        check=False,
    )
    assert asking.returncode == 0, asking.stderr
    return asking.stdout


@pytest.mark.parametrize("words", [*commands("kubectl", "helm")])
def test_program_knows_the_command_and_its_options(words: list[str], tmp_path: Path) -> None:
    said = asked({"kubectl": kubectl, "helm": helm}[words[0]], words, tmp_path)
    verb = next(word for word in words[1:] if not word.startswith("-"))
    assert f"\n  {words[0]} {verb}" in said


@pytest.mark.parametrize("words", [["kubectl", "gett", "rr"], ["kubectl", "get", "rr", "--namspace=x"]])
def test_program_does_not_know_what_is_misspelt(words: list[str], tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        test_program_knows_the_command_and_its_options(words, tmp_path)


@pytest.mark.parametrize("words", [*commands(*OTHERS)])
def test_reference_has_the_command_and_its_options(words: list[str]) -> None:
    found = [command for command in REFERENCE if words[: len(command.split())] == command.split()]
    used = {word.partition("=")[0] for word in words if word.startswith("-")}
    assert used - REFERENCE[max(found, key=len)] == set()
