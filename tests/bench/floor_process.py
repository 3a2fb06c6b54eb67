"""The bare client's process: reads what to do from standard input, a JSON document a line, and answers so.

The first line is what it needs to know, every other one a slice to run.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from tests.bench.floor import BareClient, Template
from tests.bench.load import run
from tests.bench.session import open_session


async def serve(known: dict[str, Any]) -> None:
    """Run slices until standard input ends."""
    async with open_session(known["url"], ca=known["ca"], token=known["token"]) as session:
        client = BareClient(session, known["namespace"], Template(**known["template"]))
        while line := await asyncio.to_thread(sys.stdin.readline):
            wanted = json.loads(line)
            operations = [partial(getattr(client, kind), target) for kind, target in wanted["operations"]]
            measured = await run(operations, in_flight=wanted["inFlight"])
            sys.stdout.write(f"{json.dumps(asdict(measured))}\n")
            sys.stdout.flush()


def main() -> None:
    """Run on the event loop that the function would get: uvicorn takes uvloop where it is installed."""
    runner = import_module("uvloop").run if find_spec("uvloop") else asyncio.run
    runner(serve(json.loads(sys.stdin.readline())))


if __name__ == "__main__":
    main()
