"""Tables for the documentation."""

from tests.bench.scale.markdown import markdown
from tests.bench.scale.report import new_table


def test_a_table_is_written_with_its_title_and_caption():
    table = new_table("costs", "call", "ms")
    table.add_row("LIST", "0.4")
    table.caption = "measured"
    assert markdown(table) == "**costs**\n\n| call | ms |\n| --- | ---: |\n| LIST | 0.4 |\n\nmeasured\n"
