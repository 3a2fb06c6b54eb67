"""The lists that `make licenses` and `make audit` write."""

import json
import re
from pathlib import Path

import pytest

from tests.supply_chain.__main__ import audited, licences, pinned

ROOT = Path(__file__).parents[2]
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
    assert set(renovate["enabledManagers"]) == {"pip-compile", "pep621", "dockerfile", "gomod", "kustomize"}


def test_image_says_what_it_is():
    dockerfile = (ROOT / "knative" / "image" / "Dockerfile").read_text()
    labels = set(re.findall(r"org\.opencontainers\.image\.(\w+)=", dockerfile))
    assert labels >= {"title", "description", "licenses", "version", "revision"}


def test_base_set_is_a_part_of_the_whole_with_the_same_pins():
    whole = (ROOT / "requirements.txt").read_text().split("\n")
    lines = [line for line in (ROOT / "requirements-base.txt").read_text().split("\n") if "==" in line]
    assert len(lines) > 15
    assert [line for line in lines if line not in whole] == []
