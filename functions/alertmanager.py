"""HTTP function `alertmanager`: Alertmanager webhooks in, one result per alert out.

Run it with `functions-framework --asgi --source functions/alertmanager.py --target alertmanager`.
"""

import gc
import sys
from functools import partial
from pathlib import Path

import functions_framework.aio

if not gc.get_freeze_count():
    gc.freeze()  # what is loaded by now stays: looking through it again and again costs a fifth of the start

# functions-framework loads this file by path, with only its own folder importable.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from core.signals.alertmanager import decode_alertmanager
from core.triggers.webhook import ALERTMANAGER, WebhookReceiver
from functions._serving import serve_http

alertmanager = functions_framework.aio.http(
    serve_http(
        name="alertmanager",
        receiver_over=partial(WebhookReceiver, decode=decode_alertmanager),
        paths=("/", "/api/v1/signals/prometheus"),
        description=ALERTMANAGER,
    )
)
