"""Function `dead_letters`: the dead letter sink of a Broker. It keeps each CloudEvent in the cluster.

Run it with `functions-framework --asgi --source functions/dead_letters.py --target dead_letters`.
"""

import sys
from pathlib import Path

import functions_framework.aio

# functions-framework loads this file by path, with only its own folder importable.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import functions  # noqa: F401 - before core: it prepares a fast start
from core.triggers.dead_letter_sink import DeadLetterSink, check_sink
from functions._serving import serve_http

dead_letters = functions_framework.aio.http(
    serve_http(
        name="dead_letters", receiver_over=DeadLetterSink, everywhere=True, any_type=True, check_ready=check_sink
    )
)
