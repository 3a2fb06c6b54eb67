"""HTTP function `alertmanager`: Alertmanager webhooks or plain Kubernetes Events in, one result per alert out.

Run it with `functions-framework --asgi --source functions/alertmanager.py --target alertmanager`.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import functions_framework.aio

# functions-framework loads this file by path, with only its own folder importable.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import functions  # noqa: F401 - before core: it prepares a fast start
from core.signals.alertmanager import decode_alertmanager
from core.triggers.descriptions import ALERTMANAGER, KUBERNETES_EVENT
from core.triggers.webhook import WebhookReceiver
from functions._serving import Route, serve_http

if TYPE_CHECKING:
    from core.gateway import Gateway
    from functions._request import Receiver


def _events(gateway: Gateway) -> Receiver:
    from core.triggers.plain_events import PlainEventReceiver  # noqa: PLC0415 - no webhook waits for it

    return PlainEventReceiver.over(gateway)


alertmanager = functions_framework.aio.http(
    serve_http(
        name="alertmanager",
        receiver_over=partial(WebhookReceiver, decode=decode_alertmanager),
        paths=("/", "/api/v1/signals/prometheus"),
        description=ALERTMANAGER,
        others=(Route(path="/api/v1/signals/kubernetes-event", receiver_over=_events, description=KUBERNETES_EVENT),),
    )
)
