"""Function `kubernetes_event`: Kubernetes Events from a Knative ApiServerSource or Trigger.

Run it with `functions-framework --asgi --source functions/kubernetes_event.py --target kubernetes_event`.
"""

import sys
from pathlib import Path

import functions_framework.aio

# functions-framework loads this file by path, with only its own folder importable.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import functions  # noqa: F401 - before core: it prepares a fast start
from core.triggers.cloud_events import EventReceiver
from core.triggers.kubernetes_events import KubernetesEventIntake
from functions._serving import serve_http

kubernetes_event = functions_framework.aio.http(
    serve_http(
        name="kubernetes_event",
        receiver_over=lambda gateway: EventReceiver(KubernetesEventIntake.over(gateway)),
        everywhere=True,
    )
)
