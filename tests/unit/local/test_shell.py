"""What others wrote, on a terminal: it is shown, and steers nothing."""

import pytest
from rich.table import Table
from rich.text import Text

from core.local.shell import harmless, new_console

HOSTILE = "web\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp\r"


@pytest.mark.parametrize("stderr", [False, True])
def test_table_with_a_hostile_cell_writes_no_control_character(capsys, stderr):
    table = Table("NAME")
    table.add_row(Text(HOSTILE))
    new_console(stderr=stderr).print(table)
    captured = capsys.readouterr()
    written = captured.err if stderr else captured.out
    assert "web\\x1b]0;owned" in written
    assert [each for each in written if not each.isprintable() and each != "\n"] == []


def test_colours_of_our_own_stay(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    new_console().print(Text(f"a{HOSTILE}", style="red"))
    written = capsys.readouterr().out
    assert "\x1b[31m" in written
    assert "\x1b]" not in written
    assert "\x1b[2J" not in written


def test_lines_tabs_and_letters_of_all_languages_stay():
    assert harmless("Größe\t東京\n🙂\n") == "Größe\t東京\n🙂\n"
