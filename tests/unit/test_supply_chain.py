"""The lists that `make licenses` and `make audit` write."""

import json
import re
from pathlib import Path

import pytest

from tests.supply_chain.__main__ import audited, base, browser, licences, pinned

ROOT = Path(__file__).parents[2]
PARTS = ("base", "browser", "dev", "otel")
LOCKS = ("requirements.txt", *(f"requirements-{part}.txt" for part in PARTS))
FLAGS = {"--universal", "--generate-hashes", "--no-strip-extras"}
KNOWN_TO_RENOVATE = FLAGS | {"--output-file", "--extra", "--group", "--constraints", "--python-version"}
"""Of uv's options those that we need, out of its own list: lib/modules/manager/pip-compile/common.ts (44.121)."""

GOOD = {"name": "a", "version": "1", "vulns": []}
WEAK = {"name": "b", "version": "2", "vulns": [{"id": "CVE-1", "fix_versions": ["3"]}]}
UNKNOWN = {"name": "c", "version": "4", "skip_reason": "not found"}


def test_every_package_of_a_deployment_has_a_licence():
    assert len(pinned()) > 40
    assert [line for line in licences() if line.endswith(": not said")] == []


@pytest.mark.parametrize(
    ("packages", "code", "said"),
    [
        ([GOOD], 0, "1 of 1 packages were looked up"),
        ([GOOD, WEAK], 1, "b 2: CVE-1, mended in 3"),
        ([GOOD, UNKNOWN], 2, "THIS IS NO ALL-CLEAR"),
        ([WEAK, UNKNOWN], 1, "THIS IS NO ALL-CLEAR"),
        ([], 2, "THIS IS NO ALL-CLEAR"),
    ],
)
def test_audit_is_clear_only_where_everything_was_looked_up(packages, code, said):
    lines, ended = audited({"dependencies": packages})
    assert ended == code
    assert any(line.startswith(said) for line in lines)


def test_updates_are_proposed_for_all_that_is_pinned():
    renovate = json.loads((ROOT / "renovate.json").read_text())
    assert set(renovate["enabledManagers"]) == {"pip-compile", "dockerfile", "gomod", "custom.regex"}
    (pattern,) = renovate["pip-compile"]["managerFilePatterns"]
    files = {path.name for path in ROOT.iterdir() if re.search(pattern.strip("/"), path.name)}
    assert files == set(LOCKS)
    # config:recommended leaves out all folders named tests or examples, where we pin Go programs and base images.
    assert renovate["ignorePresets"] == [":ignoreModulesAndTests"]
    assert "customManagers:makefileVersions" in renovate["extends"]
    makefile = (ROOT / "Makefile").read_text()
    pinned_there = re.findall(r"^\w+_VERSION := \S+$", makefile, re.MULTILINE)
    assert len(re.findall(r"^# renovate: datasource=pypi depName=\S+\n\w+_VERSION :=", makefile, re.MULTILINE)) == len(
        pinned_there
    )
    assert not re.search(r"==\d", makefile)


@pytest.mark.parametrize("name", LOCKS)
def test_renovate_can_read_from_a_lock_file_how_it_is_made(name):
    """As its manager pip-compile does: the command in the header, with options that it knows, each in one word."""
    header = re.match(r"(?:#.*\n)+# {4}(uv pip compile) (.*)\n", (ROOT / name).read_text())
    assert header, f"the header of {name} has no command"
    options = [word for word in header[2].split() if word.startswith("-")]
    sources = [word for word in header[2].split() if not word.startswith("-")]
    assert {option.partition("=")[0] for option in options} <= KNOWN_TO_RENOVATE
    assert all("=" in option for option in options if option not in FLAGS), options
    assert f"--output-file={name}" in options
    assert "--generate-hashes" in options
    own = name.replace(".txt", ".in")
    assert sources == [own if (ROOT / own).exists() else "pyproject.toml"]


@pytest.mark.parametrize("made", [base, browser])
def test_what_a_lock_file_of_a_part_is_made_of_is_that_of_the_project(made):
    assert (ROOT / f"requirements-{made.__name__}.in").read_text().splitlines() == made()


def test_image_says_what_it_is():
    dockerfile = (ROOT / "knative" / "image" / "Dockerfile").read_text()
    labels = set(re.findall(r"org\.opencontainers\.image\.(\w+)=", dockerfile))
    assert labels >= {"title", "description", "licenses", "version", "revision"}


def test_base_set_is_a_part_of_the_whole_with_the_same_pins():
    whole = (ROOT / "requirements.txt").read_text().split("\n")
    lines = [line for line in (ROOT / "requirements-base.txt").read_text().split("\n") if "==" in line]
    assert len(lines) > 15
    assert [line for line in lines if line not in whole] == []
