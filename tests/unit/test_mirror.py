"""Unit tests stand where their code stands: a folder for each room of core."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
NOT_OF_CORE = {"functions", "bench", "scale", "soak"}
"""Folders about functions/ and about the tools in tests/."""


def folders(of: Path) -> set[str]:
    return {path.parent.name for path in of.glob("*/__init__.py")}


def test_each_room_of_core_has_a_folder_of_unit_tests_and_no_other_folder_is_there():
    assert folders(ROOT / "tests" / "unit") - NOT_OF_CORE == folders(ROOT / "core")


def test_no_folder_of_unit_tests_is_empty():
    assert [path.parent.name for path in Path(__file__).parent.glob("*/__init__.py") if not modules(path.parent)] == []


def modules(folder: Path) -> list[Path]:
    return list(folder.rglob("test_*.py"))
