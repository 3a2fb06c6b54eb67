"""What a function counts of requests that it turns away, and of rules that match."""

import re

from core.common.resilience import ByteBudget
from core.errors import OverloadedError
from tests.unit.functions.webhooks import alert, webhook


async def counted(function, series: str) -> float:
    """The value of a series on the function's page, 0 where it is not there; the registry is the whole process's."""
    page = (await function.get("/metrics")).body.decode()
    found = re.search(rf"^{re.escape(series)} (\S+)$", page, re.MULTILINE)
    return float(found[1]) if found else 0.0


async def test_request_without_room_for_its_body_is_counted_as_shed(function, scripted, monkeypatch):
    async def full(*_: object, **__: object) -> None:
        raise OverloadedError("no room")

    shed = 'gateway_requests_shed_total{reason="bodies"}'
    before = await counted(function, shed)
    monkeypatch.setattr(ByteBudget, "take", full)
    response = await function.post(webhook(alert()))
    assert response.problem(503) == "no room"
    assert await counted(function, shed) == before + 1


async def test_bytes_in_flight_are_none_after_the_answer(function, wire, monkeypatch):
    held: list[int] = []
    hold = ByteBudget._hold

    def noted(self: ByteBudget, more: int) -> None:
        hold(self, more)
        held.append(self.held)

    with_body = webhook(alert())
    monkeypatch.setattr(ByteBudget, "_hold", noted)
    await function.post(with_body)
    assert max(held) == len(with_body)
    assert await counted(function, "gateway_body_bytes_in_flight") == 0


async def test_rules_that_match_are_counted_by_their_names(function, scripted):
    matched = 'gateway_rules_matched_total{rule="always-firing"}'
    before = await counted(function, matched)
    await function.post(webhook(alert(labels={"alertname": "Watchdog"}), alert(labels={"alertname": "Watchdog"})))
    assert await counted(function, matched) == before + 2
