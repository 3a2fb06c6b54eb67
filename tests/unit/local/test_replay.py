"""Stored payloads go to a gateway again, and what cannot be sent is named."""

import json
from base64 import b64encode
from typing import Any

import pytest

from core.local.replay import kept_webhooks
from core.local.send import Sending
from core.local.viewing.rows import Row
from tests.contract.objects import remediation_request
from tests.unit.local.test_viewing import World, world

__all__ = ["world"]

WEBHOOK = {"version": "4", "alerts": [{"status": "firing", "labels": {"alertname": "A", "pod": "web"}}]}


def row(name: str, payload: Any) -> Row:
    return Row.from_object(remediation_request(name, **({"originalPayload": payload} if payload is not None else {})))


def encoded(value: Any) -> str:
    return b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize("payload", [encoded(WEBHOOK), json.dumps(WEBHOOK)])
def test_webhook_is_sent_as_it_was_kept_in_either_encoding(payload: str):
    kept = kept_webhooks([row("rr-1", payload)])
    assert kept.webhooks == [{"groupKey": "rr-1"} | WEBHOOK]
    assert kept.left_out == []


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (None, "it keeps no payload"),
        (b64encode(b'{"alerts": [{"lab').decode(), "its payload is no JSON"),
        (encoded({"reason": "BackOff"}), "its payload is no Alertmanager webhook"),
        (encoded([1]), "its payload is no Alertmanager webhook"),
    ],
)
def test_what_cannot_be_sent_is_named_with_the_reason(payload: str | None, why: str):
    kept = kept_webhooks([row("rr-1", payload)])
    assert kept.webhooks == []
    assert kept.left_out[0].startswith(f"rr-1 is left out: {why}")


async def test_one_by_name_is_posted_and_the_answer_shown(world: World, monkeypatch: pytest.MonkeyPatch):
    await world.create("rr-kept", originalPayload=encoded(WEBHOOK))
    sent: list[Any] = []

    async def send(_sending: Any, webhooks: list[Any]) -> bool:
        sent.extend(webhooks)
        return True

    monkeypatch.setattr(Sending, "send", send)
    shown = await world.sluice("replay", "rr-kept", "--yes")
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert sent == [{"groupKey": "rr-kept"} | WEBHOOK]


async def test_nothing_to_send_is_a_failure_and_a_url_where_nothing_answers_too(world: World):
    await world.create("rr-kept", originalPayload=encoded(WEBHOOK))
    nothing = await world.sluice("replay", "--phase", "Failed")
    assert nothing.exit_code == 1
    assert "there is nothing to send again: no RR of namespace ns, context sluice-embedded" in nothing.stderr
    silent = await world.sluice("replay", "rr-kept", "--url", "http://127.0.0.1:9")
    assert silent.exit_code == 1
    assert "nothing answers at http://127.0.0.1:9; start the function first" in silent.stderr
