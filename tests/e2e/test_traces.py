"""A worker that ends sends its last spans first, whatever starts it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.function import alert
from tests.support.otlp import Collector

if TYPE_CHECKING:
    from tests.e2e.conftest import StartFunction

NEVER = str(24 * 3600 * 1000)
"""Milliseconds: longer than the test."""


@pytest.mark.parametrize("workers", ["1", "2"])
def test_spans_that_were_not_sent_yet_go_out_when_the_function_stops(
    start_function: StartFunction, workers: str
) -> None:
    with Collector() as collector:
        function = start_function(
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_BSP_SCHEDULE_DELAY=NEVER, WORKERS=workers
        )
        assert function.post(alert("web-1")).status == 201
        assert collector.spans == []

        assert function.stop() == 0

        server = collector.one("POST /")
        assert server.resource["service.name"] == "sluice"
        assert "create remediationrequests" in {span.name for span in collector.spans}


def test_collector_that_is_gone_holds_up_no_end(start_function: StartFunction) -> None:
    function = start_function(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9", OTEL_BSP_SCHEDULE_DELAY=NEVER)
    assert function.post(alert("web-1")).status == 201
    assert function.stop() == 0
