"""Figures that nobody measured."""

from __future__ import annotations

from typing import Any

from tests.bench.figures import SHARES, Row, Side


def make_side(**fields: Any) -> Side:
    defaults: dict[str, Any] = {
        "per_second": 100.0,
        "p50": 10.0,
        "p95": 15.0,
        "p99": 20.0,
        "quantiles": [10.0 * share for share in SHARES],
        "timeline": [[100.0, 110.0], [90.0]],
        "calls": {"POST leases": 1.0},
        "cpu": {"API server": 3.0, "function": 2.0},
    }
    return Side(**defaults | fields)


def make_row(workload: str, **fields: Any) -> Row:
    defaults: dict[str, Any] = {
        "requests": 0,
        "processes": 1,
        "ours": make_side(),
        "floor": make_side(),
        "ratios": [0.7, 0.8, 0.9],
        "others": 0.02,
    }
    return Row(workload=workload, **defaults | fields)
