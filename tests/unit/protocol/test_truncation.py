"""Text is cut to a number of bytes, and never inside a character."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.common.text import cut_utf8
from core.protocol.remediation_request import truncated


@pytest.mark.parametrize(
    ("text", "limit", "cut"),
    [
        ("", 3, ""),
        ("abc", 3, "abc"),
        ("abcd", 3, "abc"),
        ("abcd", 0, ""),
        ("äöü", 4, "äö"),
        ("äöü", 5, "äö"),
        ("a€", 3, "a"),
        ("😀😀", 7, "😀"),
        ("😀", 3, ""),
    ],
)
def test_examples(text, limit, cut):
    assert cut_utf8(text, limit=limit) == cut


@given(text=st.text(), limit=st.integers(0, 100))
def test_what_is_left_is_the_longest_start_that_fits(text, limit):
    cut = cut_utf8(text, limit=limit)
    assert text.startswith(cut)
    assert len(cut.encode()) <= limit
    if cut != text:
        assert len((cut + text[len(cut)]).encode()) > limit


@given(values=st.dictionaries(st.text(max_size=5), st.text()), limit=st.integers(0, 20))
def test_maps_keep_their_keys_and_are_cut_value_by_value(values, limit):
    cut = truncated(values, limit=limit)
    assert cut == {key: cut_utf8(value, limit=limit) for key, value in values.items()}
