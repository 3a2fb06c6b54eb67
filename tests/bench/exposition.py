"""How long /metrics takes, and how large it is, after senders have made up all they may.

`python -m tests.bench.exposition` says it. The size is a promise (tests/unit/test_metrics.py); the time is a figure of
docs/observability.md.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from core.metrics import Metrics
from functions._multiprocess import WorkersCollector

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = 20_000
SCRAPES = 50
WORKERS = 4
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def flood(metrics: Metrics, *, names: int = NAMES) -> None:
    """Count what a sender that makes up everything it may write would leave."""
    for number in range(names):
        metrics.received(source_type="prometheus-alert", severity=f"severity {number}")
        metrics.deduplicated(f"alert {number} {'x' * 1000}")
        metrics.answered(endpoint="other", method=f"METHOD{number}", status=200 + number % 7, seconds=0.01)
        metrics.called(verb="get", resource=f"kinds{number}", code="200", seconds=0.01)
        metrics.matched(f"rule-{number}-{'x' * 1000}")


def main() -> None:
    """Print a line for each form of the page."""
    registry = CollectorRegistry()
    flood(Metrics(registry=registry))
    _report("one worker, text", lambda: registry, "")
    _report("one worker, OpenMetrics", lambda: registry, OPENMETRICS)
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": folder}
        workers = [subprocess.Popen([sys.executable, "-c", _WORKER], env=environment) for _ in range(WORKERS)]
        if any(worker.wait() for worker in workers):
            raise SystemExit("a worker failed")
        _report(f"{WORKERS} workers, text", lambda: _of_all(folder), "")


def _of_all(folder: str) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(WorkersCollector(Path(folder)))
    return registry


def _report(form: str, registry: Callable[[], CollectorRegistry], accept: str) -> None:
    encode: Any = choose_encoder(accept)[0]
    times = []
    size = 0
    for _ in range(SCRAPES):
        start = time.process_time()
        size = len(encode(registry()))
        times.append(1000 * (time.process_time() - start))
    spread = f"{statistics.median(times):.1f} ms of CPU, at most {max(times):.1f} ms of {SCRAPES}"
    sys.stdout.write(f"{form}: {size / 1000:.0f} kB, {spread}\n")


_WORKER = """
from prometheus_client import REGISTRY
from core.metrics import Metrics
from tests.bench.exposition import flood
flood(Metrics(registry=REGISTRY))
"""

if __name__ == "__main__":
    main()
