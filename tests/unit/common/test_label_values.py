"""Whatever a sender writes becomes a value that the API server takes for a label, or none."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.common.text import label_value

# apimachinery, validation.IsValidLabelValue
VALID = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?\Z")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("critical", "critical"),
        ("Critical", "Critical"),
        (" critical\n", "critical"),
        ("p1 (page)", "p1__page"),
        ("sev/1", "sev_1"),
        ("-._x_.-", "x"),
        ("kritisch \u00e4", "kritisch"),
        ("\U0001f525", ""),
        ("\u0661", ""),
        ("", ""),
        ("a" * 1000, "a" * 63),
        ("a" * 62 + "--b", "a" * 62),
    ],
)
def test_text_becomes_a_label(text, value):
    assert label_value(text) == value


@given(st.text())
def test_any_text_is_valid(text):
    value = label_value(text)
    assert VALID.match(value)
    assert len(value) <= 63
