"""Metrics of several worker processes (WORKERS, PROMETHEUS_MULTIPROC_DIR), loaded only where there are several."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from prometheus_client.core import Metric

_GAUGES_OF_A_WORKER = re.compile(r"gauge_live[a-z]+_(?P<pid>\d+)\.db")


class WorkersCollector(Collector):
    """Adds up what all workers have written to `folder`.

    Counters of workers that have ended stay, for they are sums. Their gauges go: an open breaker of a dead worker would
    be shown for ever. functions-framework tells nobody of a worker's end, so it is looked for at each scrape.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        collector: Any = MultiProcessCollector
        self._sums = collector(None, path=str(folder))

    def collect(self) -> Iterable[Metric]:
        """Yield the sums."""
        for file in self._folder.glob("gauge_live*.db"):
            match = _GAUGES_OF_A_WORKER.fullmatch(file.name)
            if match and not _runs(int(match["pid"])):
                file.unlink(missing_ok=True)  # another worker may have removed it meanwhile
        families: Iterable[Metric] = self._sums.collect()
        return families


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
