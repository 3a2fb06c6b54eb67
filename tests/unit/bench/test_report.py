import io
import re

import pytest
from rich.console import Console

from tests.bench.cold_start import ColdStart
from tests.bench.comparison import comparison
from tests.bench.document import Document
from tests.bench.figures import Row
from tests.bench.report import render, write_report
from tests.bench.tables import cold_line, figures_table, other_gateway_table, targets_table
from tests.bench.targets import verdicts
from tests.bench.workloads import NEW, ONE
from tests.unit.bench.factories import make_row, make_side

MACHINE = {"date": "2026-01-02", "commit": "abc", "cores": 2, "python": "3.11", "system": "<Linux>", "load": 0.5}


def make_document(*rows: Row) -> Document:
    start = ColdStart(0.5, 80, 90)
    return Document(machine=MACHINE, rows=rows, cold=[start], hello=[start])


def shown(table) -> str:
    text = io.StringIO()
    Console(width=200, file=text).print(table)
    return text.getvalue()


def test_file_holds_all_that_was_measured(tmp_path):
    document = make_document(
        make_row("new"),
        make_row("new", requests=1000, other=make_side(), to_other=[2.5], doubles=1),
    )
    document.write(tmp_path / "folder" / "run.json")
    read = Document.read(tmp_path / "folder" / "run.json")
    assert list(read.rows) == list(document.rows)
    assert (read.machine, list(read.cold), list(read.hello)) == (document.machine, document.cold, document.hello)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"rows": [{}]}', '{"machine": {}, "rows": [{}]}'])
def test_file_without_figures_is_refused_by_name(tmp_path, text):
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"other\.json holds no figures"):
        Document.read(path)


def test_comparison_shows_how_the_ratio_to_the_floor_changed():
    then = make_row("new", ratios=[0.5] * 3, ours=make_side(calls={"a": 6.0}, cpu={"function": 3.0}))
    now = make_row("new", ratios=[0.75] * 3, ours=make_side(calls={"a": 5.0}, cpu={"function": 2.5}))
    lines = shown(comparison([now, make_row("elsewhere")], [then])).splitlines()
    line = next(line for line in lines if "new" in line)
    assert re.findall(r"[+-]?[\d.]+%?", line.partition("process")[2]) == [
        "0.50",
        "0.75",
        "+50%",
        "6.00",
        "5.00",
        "3.00",
        "2.50",
    ]
    assert not any("elsewhere" in line for line in lines)


def test_change_within_the_spread_of_the_pairs_is_called_noise():
    then, now = make_row("new", ratios=[0.6, 0.7, 0.8]), make_row("new", ratios=[0.75, 0.78, 0.9])
    assert "+11% (noise)" in shown(comparison([now], [then]))


def test_change_between_single_pairs_is_called_noise():
    assert "+100% (noise)" in shown(comparison([make_row("new", ratios=[1.0])], [make_row("new", ratios=[0.5])]))


def test_tables_mark_what_meets_its_target():
    rows = [make_row(NEW.name, ratios=[0.8]), make_row(ONE.name, ratios=[0.9])]
    figures = shown(figures_table(rows))
    assert "0.80 ✓" in figures
    assert "0.90 ✗" in figures
    assert "3 of 6 met" in shown(targets_table(verdicts(rows, [], [])))


def test_cold_starts_are_told_in_one_line():
    ours, hello = [ColdStart(0.5, 80, 90)], [ColdStart(0.25, 33, 40)]
    assert cold_line(ours, hello) == (
        "cold start to the first 201: 0.50 s, worker 80 MB, with gunicorn's master 90 MB; "
        "a bare function: 0.25 s, worker 33 MB, with gunicorn's master 40 MB"
    )


def test_report_has_four_plots_of_each_case_and_needs_no_other_file():
    html = render(make_document(make_row("new"), make_row("repeat")))
    assert html.count("<svg") == 1 + 2 * 4
    assert "<script" not in html
    assert not re.search(r"""(src|href)=["'](?!#)""", html)
    assert not re.search(r"@import|url\(", html)
    assert "&lt;Linux&gt;" in html


def test_report_shows_kinds_of_calls_and_whose_cpu_it_was():
    row = make_row("new", ours=make_side(calls={"LIST things": 1.0}, cpu={"function": 1.0, "load generator": 0.5}))
    html = render(make_document(row))
    assert all(name in html for name in ("LIST things", "POST leases", "function", "load generator", "API server"))


def test_report_stands_beside_an_earlier_run(tmp_path):
    now, then = make_document(make_row("new", ratios=[0.9] * 3)), make_document(make_row("new", ratios=[0.6] * 3))
    write_report(tmp_path / "report.html", now, then)
    html = (tmp_path / "report.html").read_text()
    assert "+50%" in html
    assert "ours, earlier" in html
    assert "ours, earlier" not in render(now)


def test_report_of_a_run_without_cold_starts_leaves_them_out():
    document = Document(machine=MACHINE, rows=[make_row("new")], cold=[], hello=[])
    assert "Cold starts" not in render(document)


def test_another_gateway_stands_beside_ours_with_its_cost_and_its_doubles():
    other = make_side(per_second=40.0, p50=25.0, calls={"a": 7.0}, cpu={"API server": 9.0})
    rows = [make_row("new", other=other, to_other=[2.0, 2.5, 3.0], doubles=3), make_row("alone")]
    lines = shown(other_gateway_table(rows)).splitlines()
    line = next(line for line in lines if "new" in line)
    assert re.findall(r"[\d.]+", line.partition("process")[2]) == [
        "100",
        "40",
        "2.50",
        "10.0",
        "25.0",
        "3.00",
        "9.00",
        "1.00",
        "7.00",
        "3",
    ]
    assert not any("alone" in line for line in lines)
