"""Tables of custom kinds: what each cell shows. tests/contract/test_kubectl.py holds them to the real API server's."""

from datetime import UTC, datetime
from typing import Any

import pytest

from core.local.ages import short_age
from core.local.embedded.tables import Column, columns_of, table

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
CREATED = "2026-01-02T11:58:30Z"


def cell(type_: str, value: Any) -> Any:
    return Column(name="X", type=type_, path=("status", "x")).cell({"status": {"x": value}}, NOW)


@pytest.mark.parametrize(
    ("type_", "value", "shown"),
    [
        ("string", "a", "a"),
        ("string", 7, "7"),
        ("string", True, "true"),
        ("integer", 7, 7),
        ("integer", 7.9, 7),
        ("integer", "7", None),
        ("integer", True, None),
        ("number", 1.5, 1.5),
        ("boolean", False, False),
        ("boolean", 0, None),
        ("date", CREATED, "90s"),
        ("date", "soon", "<invalid>"),
        ("date", 7, "<invalid>"),
        ("string", None, None),
    ],
)
def test_cell_is_of_its_column_s_type(type_: str, value: Any, shown: Any):
    assert cell(type_, value) == shown


def test_cell_is_empty_where_the_object_has_no_such_field():
    column = Column(name="X", type="string", path=("status", "x", "y"))
    assert [column.cell(obj, NOW) for obj in ({}, {"status": None}, {"status": {"x": "text"}})] == [None] * 3


def test_definition_without_columns_shows_the_age():
    shown = table(columns_of({}), [{"metadata": {"name": "a", "creationTimestamp": CREATED}}], **OPTIONS)
    assert [each["name"] for each in shown["columnDefinitions"]] == ["Name", "Age"]
    assert shown["rows"][0]["cells"] == ["a", "90s"]


OPTIONS: dict[str, Any] = {"revision": "7", "include": "", "now": NOW}


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-5, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (599, "9m59s"),
        (600, "10m"),
        (3 * 3600 - 1, "179m"),
        (3 * 3600, "3h"),
        (7 * 3600 + 60, "7h1m"),
        (8 * 3600 + 60, "8h"),
        (47 * 3600, "47h"),
        (50 * 3600, "2d2h"),
        (8 * 86400, "8d"),
        (2 * 365 * 86400 + 86400, "2y1d"),
        (9 * 365 * 86400, "9y"),
    ],
)
def test_ages_are_as_kubectl_writes_them(seconds: int, shown: str):
    assert short_age(seconds) == shown
