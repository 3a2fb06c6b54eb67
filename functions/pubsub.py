"""Function `pubsub`: Pub/Sub messages with alerts, Kubernetes Events or Cloud Monitoring incidents, by Eventarc or
straight from a push subscription.

Run it with `functions-framework --asgi --source functions/pubsub.py --target pubsub`.
"""

import sys
from pathlib import Path

import functions_framework.aio

# functions-framework loads this file by path, with only its own folder importable.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import functions  # noqa: F401 - before core: it prepares a fast start
from core.triggers.cloud_events import EventReceiver
from core.triggers.pubsub import PubSubIntake
from core.triggers.pushes import open_push
from functions._serving import serve_http

pubsub = functions_framework.aio.http(
    serve_http(
        name="pubsub",
        receiver_over=lambda gateway: EventReceiver(
            PubSubIntake.over(gateway), acknowledge_poison=True, opened=open_push
        ),
        everywhere=True,
    )
)
