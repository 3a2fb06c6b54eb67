"""docs/answers.md says of every code that a function gives what each sender makes of it, by the sender's own rule."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fuzz.checks import DOCUMENTED

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = Path(__file__).parents[2] / "docs" / "answers.md"


def alertmanager(code: int) -> str:
    """`Retrier.Check` in notify/util.go; the webhook notifier adds no code to it."""
    return "done" if code // 100 == 2 else "again" if code // 100 == 5 else "given up"


def broker(code: int) -> str:
    """`SelectiveRetry` in pkg/kncloudevents/retries.go of Eventing 0.50."""
    if code >= 500 or code in (404, 408, 409, 429):
        return "again"
    return "done" if code // 100 == 2 else "dead letter sink"


def api_server_source(code: int) -> str:
    """protocol_retry.go and the default of `isRetriableFunc` in CloudEvents' sdk-go 2.16."""
    return "done" if code // 100 == 2 else "again" if code in (404, 413, 425, 429, 502, 503, 504) else "given up"


def pubsub(code: int) -> str:
    """Pub/Sub's page on push subscriptions, "Receive push messages"."""
    return "done" if code in (102, 200, 201, 202, 204) else "again"


SENDERS: dict[str, Callable[[int], str]] = {
    "Alertmanager": alertmanager,
    "Broker and Trigger": broker,
    "ApiServerSource alone": api_server_source,
    "Pub/Sub push, Eventarc": pubsub,
}


def table() -> dict[int, dict[str, str]]:
    """What the page says, by code and sender."""
    section = PAGE.read_text().partition("## What each sender does with a code\n")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    head, _, *lines = rows
    assert head == ["code", *SENDERS]
    return {int(code): dict(zip(SENDERS, cells, strict=True)) for code, *cells in lines}


def test_every_code_that_a_function_gives_is_told():
    assert table().keys() == DOCUMENTED


@pytest.mark.parametrize("sender", SENDERS)
def test_what_is_told_follows_the_rule_of_the_sender(sender):
    assert {code: row[sender] for code, row in table().items()} == {code: SENDERS[sender](code) for code in table()}


@pytest.mark.parametrize("sender", SENDERS)
def test_all_senders_take_2xx_for_done_and_503_for_come_again(sender):
    assert [table()[code][sender] for code in (200, 201, 202, 503)] == ["done", "done", "done", "again"]
