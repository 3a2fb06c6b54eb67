"""A trace is taken from a header of the right form, and from no other."""

import pytest

from core.common.trace_context import TraceContext, trace_of, trace_state

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


def entries(count: int, *, length: int = 8) -> str:
    return ",".join(f"k{number}={'v' * (length - len(f'k{number}='))}" for number in range(count))


class TestState:
    PARENT = f"00-{TRACE}-{SPAN}-01"

    def test_is_taken_with_the_traceparent_alone(self):
        assert trace_of({"traceparent": self.PARENT, "tracestate": "a=1,b=2"}) == TraceContext(
            TRACE, SPAN, sampled=True, state="a=1,b=2"
        )
        assert trace_of({"traceparent": "nonsense", "tracestate": "a=1"}) is None

    def test_of_several_headers_is_one_list_in_their_order(self):
        context = trace_of({"traceparent": self.PARENT, "tracestate": "a=1"}, tracestate=["a=1", "b=2"])
        assert context is not None
        assert context.state == "a=1,b=2"

    @pytest.mark.parametrize(
        ("header", "state"),
        [
            ("a=1", "a=1"),
            ("a=1 , b=2", "a=1,b=2"),
            ("a=1,,b=2,", "a=1,b=2"),
            ("\ta=1", "a=1"),
            ("tenant@vendor=x y", "tenant@vendor=x y"),
            ("0a_-*/=!", "0a_-*/=!"),
            (entries(32), entries(32)),
        ],
    )
    def test_is_a_list_of_keys_with_values(self, header, state):
        assert trace_state(header) == state

    @pytest.mark.parametrize(
        "header",
        [
            "",
            ",",
            "a",
            "=1",
            "A=1",
            "a=",
            "a=1=2",
            "a=\x7f",
            "a=1\r\nX-Evil: 1",
            "a=ä",
            "a=1,a=2",
            "a=1,b",
            "a =1",
            f"{'k' * 257}=1",
            f"a={'v' * 257}",
            entries(33),
            entries(5000),
        ],
    )
    def test_of_another_form_or_without_end_is_left_out_whole(self, header):
        assert trace_state(header) == ""

    def test_that_is_long_loses_its_long_entries_first(self):
        long = f"long={'v' * 200}"
        assert trace_state(f"{long},{entries(20, length=20)}") == entries(20, length=20)

    def test_that_is_long_all_the_same_loses_the_last_ones(self):
        kept = trace_state(entries(32, length=100))
        assert kept == entries(5, length=100)
        assert len(kept) <= 512


@pytest.mark.parametrize("header", [f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-00"])
def test_what_was_read_is_written_the_same(header):
    context = trace_of({"traceparent": header})
    assert context is not None
    assert context.traceparent == header


def test_trace_without_a_span_has_no_header():
    assert TraceContext(TRACE).traceparent == ""
