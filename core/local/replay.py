"""`sluice replay`: the alerts that RRs keep as their payload, sent to a gateway again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.local.viewing.rows import mapping
from core.local.viewing.story import decoded_payload

if TYPE_CHECKING:
    from collections.abc import Iterable

    from core.local.viewing.rows import Row

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kept:
    """What RRs have kept. `left_out` has a sentence for each RR whose payload cannot be sent as a webhook."""

    webhooks: list[JsonObject]
    left_out: list[str]


def kept_webhooks(rows: Iterable[Row]) -> Kept:
    """Return the webhooks that opened these RRs, in the order of the rows."""
    webhooks, left_out = [], []
    for row in rows:
        webhook = _webhook(row)
        if isinstance(webhook, str):
            left_out.append(f"{row.view.name} is left out: {webhook}")
        else:
            webhooks.append({"groupKey": row.view.name} | webhook)
    return Kept(webhooks, left_out)


def _webhook(row: Row) -> JsonObject | str:
    """Return the webhook, or why there is none."""
    text = decoded_payload(mapping(row.obj.get("spec")).get("originalPayload"))
    if not text:
        return "it keeps no payload"
    try:
        payload = json.loads(text)
    except ValueError:
        return "its payload is no JSON; the gateway cuts what is too long"
    if not isinstance(payload, dict) or not isinstance(payload.get("alerts"), list):
        return "its payload is no Alertmanager webhook; Events and messages come to other functions"
    return payload
