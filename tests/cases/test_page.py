"""docs/alerts.md says what the gateway does: its tables are made of the cases, and it names each reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.answers import answer
from core.results import SignalResult, Status
from core.signals.rules import FEW_OCCURRENCES, IGNORED_BY_RULE
from core.signals.targets import NO_TARGET
from core.workloads.qualification import BEYOND_REACH, OUT_OF_SCOPE, OWN, SILENCED
from tests.cases.page import FILES, PAGE, led, tables, written

CORE = Path(__file__).parents[2] / "core"
TEXT = PAGE.read_text()
ROWS = re.findall(r"^\| [^|]+ \| [^|]+ \| `(\w+)`[^|]* \| (\d+) \|$", TEXT, re.MULTILINE)


@pytest.mark.parametrize("file", FILES)
async def test_no_alert_is_wrong_and_the_tables_are_those_of_the_cases(file: str) -> None:
    found = await led(file)
    assert {each.case["name"]: each.outcome for each in found if each.figure == "wrong"} == {}
    assert written(TEXT, file, tables(found)) == TEXT, "they have drifted: python -m tests.cases.page"


def test_outcomes_are_all_there() -> None:
    assert {status for status, _ in ROWS} == set(Status)


@pytest.mark.parametrize(("status", "code"), sorted(set(ROWS)))
def test_alert_alone_in_its_body_has_the_code_that_the_page_says(status: str, code: str) -> None:
    assert answer([SignalResult(status=Status(status), error="why")]).status == int(code)


def test_each_reason_is_named() -> None:
    sources = "".join(file.read_text() for room in ("signals", "triggers") for file in (CORE / room).glob("*.py"))
    literal = set(re.findall(r'\b(?:Ignored|Poison)\(\s*"(\w+)"', sources))
    assert len(literal) > 8
    reasons = literal | {NO_TARGET, IGNORED_BY_RULE, FEW_OCCURRENCES, BEYOND_REACH, OUT_OF_SCOPE, OWN, SILENCED}
    assert reasons <= set(re.findall(r"`(\w+)`", TEXT)), reasons - set(re.findall(r"`(\w+)`", TEXT))
