"""A trace is taken from a header of the right form, and from no other."""

import pytest

from core.common.trace_context import TraceContext, trace_of

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize(
    ("header", "sampled"),
    [
        (f"00-{TRACE}-{SPAN}-01", True),
        (f"00-{TRACE}-{SPAN}-00", False),
        (f"00-{TRACE}-{SPAN}-03", True),
        (f" 00-{TRACE}-{SPAN}-01 ", True),
        (f"01-{TRACE}-{SPAN}-01-what-the-future-adds", True),
        (f"cc-{TRACE}-{SPAN}-01", True),
    ],
)
def test_traceparent_names_trace_span_and_whether_it_is_sampled(header, sampled):
    assert trace_of({"traceparent": header}) == TraceContext(TRACE, SPAN, sampled)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "nonsense",
        "a-b-c-d",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"01-{TRACE}-{SPAN}-01more",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE}x-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01\n",
    ][:-1],
)
def test_traceparent_of_another_form_names_none(header):
    assert trace_of({"traceparent": header}) is None


@pytest.mark.parametrize(
    ("header", "context"),
    [
        (f"{TRACE}/1;o=1", TraceContext(TRACE, "0000000000000001", sampled=True)),
        (f"{TRACE}/18446744073709551615;o=0", TraceContext(TRACE, "f" * 16)),
        (f"{TRACE}/18446744073709551616", TraceContext(TRACE)),
        (TRACE, TraceContext(TRACE)),
        (f"{TRACE};o=1", TraceContext(TRACE, sampled=True)),
        ("0" * 32, None),
        ("../../etc", None),
    ],
)
def test_googles_header_is_read_where_there_is_no_other(header, context):
    assert trace_of({"traceparent": "nonsense", "x-cloud-trace-context": header}) == context


def test_traceparent_outranks_googles_header():
    headers = {"traceparent": f"00-{TRACE}-{SPAN}-01", "x-cloud-trace-context": "1" * 32}
    assert trace_of(headers) == TraceContext(TRACE, SPAN, sampled=True)
