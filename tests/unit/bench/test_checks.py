import io
import json
from typing import Any

import pytest
from rich.console import Console

from tests.bench.checks import WrongWorkError, check_counts
from tests.bench.comparison import comparison, read_earlier
from tests.bench.figures import Row, Side


def request_for(target: str, *, count: int | None = None, name: str = "rr-1") -> dict[str, Any]:
    status: dict[str, Any] = {} if count is None else {"deduplication": {"occurrenceCount": count}}
    return {"metadata": {"name": name}, "spec": {"targetResource": {"name": target}}, "status": status}


def test_requests_that_count_what_was_sent_pass():
    check_counts([request_for("a"), request_for("b", count=3)], sent={"a": 1, "b": 3})


def test_what_the_bare_client_created_is_left_out():
    check_counts([request_for("a"), request_for("x", name="floor-1")], sent={"a": 1})


@pytest.mark.parametrize(
    ("requests", "sent"),
    [
        pytest.param([], {"a": 1}, id="lost"),
        pytest.param([request_for("a"), request_for("a", name="rr-2")], {"a": 1}, id="twice"),
        pytest.param([request_for("a", count=2)], {"a": 3}, id="not counted"),
        pytest.param([request_for("a")], {}, id="never sent"),
    ],
)
def test_wrong_work_ends_the_benchmark(requests, sent):
    with pytest.raises(WrongWorkError, match="a was sent"):
        check_counts(requests, sent=sent)


def test_comparison_shows_how_the_ratio_to_the_floor_changed(tmp_path):
    earlier = tmp_path / "earlier.json"
    earlier.write_text(json.dumps({"workloads": [{"workload": "new", "ratio": 0.5, "calls_per_signal": 6.0}]}))
    side = Side(per_second=1, p50=1, p95=1, p99=1)
    row = Row(workload="new", ours=side, floor=side, ratio=0.75, calls_per_signal=5.0, calls={})
    shown = io.StringIO()
    Console(width=120, file=shown).print(comparison([row], read_earlier(earlier)))
    line = next(line for line in shown.getvalue().splitlines() if "new" in line)
    assert [word for word in line.split() if word[0].isdigit() or word[0] == "+"] == [
        "0.50",
        "0.75",
        "+50%",
        "6.00",
        "5.00",
    ]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"workloads": [{}]}'])
def test_file_without_figures_is_refused_by_name(tmp_path, text):
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"other\.json holds no figures"):
        read_earlier(path)
