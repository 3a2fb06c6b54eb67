"""docs/security.md names a test for each threat; each of them exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()
ROWS = [line for line in PAGE.partition("## Threats")[2].partition("##")[0].splitlines() if line.startswith("| ")][2:]
TESTS = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)


def test_threats_are_listed():
    assert len(ROWS) > 30


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip())
def test_threat_names_what_stops_it_and_the_test_that_shows_it(row):
    threat, stopped_by, shown_by = (cell.strip() for cell in row.strip("|").split("|"))
    assert threat
    assert stopped_by
    assert re.fullmatch(r"`tests/[\w/]+\.py::test_\w+`(, `tests/[\w/]+\.py::test_\w+`)*", shown_by)


@pytest.mark.parametrize(("path", "name"), TESTS)
def test_named_test_exists(path, name):
    assert re.search(rf"def {name}\(", (ROOT / path).read_text()), f"{path} has no {name}"
