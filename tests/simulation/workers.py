"""Processes that seeds are run in."""

from __future__ import annotations

from contextlib import contextmanager
from multiprocessing import get_context
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.pool import Pool


@contextmanager
def worker_pool(jobs: int) -> Iterator[Pool]:
    """Lend `jobs` fresh processes; they have ended when this does."""
    with get_context("spawn").Pool(jobs) as pool:
        yield pool
        pool.close()  # leaving only terminates: a worker that coverage has given a handler may outlive SIGTERM
        pool.join()
