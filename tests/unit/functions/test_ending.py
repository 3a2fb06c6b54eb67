"""SIGTERM reaches the server once; raised again, it waits until the process has ended by itself."""

from __future__ import annotations

import signal
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from functions._ending import outlive_sigterm

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


class Server:
    """Counts what uvicorn would heed."""

    def __init__(self) -> None:
        self.seen = 0

    def handle_exit(self, number: int, frame: FrameType | None) -> None:
        self.seen += 1


@pytest.fixture(autouse=True)
def signals_are_as_before() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    if signal.SIGTERM in signal.sigpending():
        signal.sigwait({signal.SIGTERM})
    signal.signal(signal.SIGTERM, before)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


@pytest.fixture
def server() -> Server:
    server = Server()
    signal.signal(signal.SIGTERM, server.handle_exit)
    return server


def test_signal_raised_again_under_the_default_handler_ends_nothing(server: Server) -> None:
    outlive_sigterm()

    signal.raise_signal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.raise_signal(signal.SIGTERM)

    assert server.seen == 1
    assert signal.SIGTERM in signal.sigpending()


def test_each_try_to_reach_the_api_adds_no_handler(server: Server) -> None:
    outlive_sigterm()
    first = signal.getsignal(signal.SIGTERM)

    outlive_sigterm()

    assert signal.getsignal(signal.SIGTERM) is first


def test_process_without_a_server_still_ends_at_once() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

    outlive_sigterm()

    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_loop_beside_the_main_thread_changes_nothing(server: Server) -> None:
    beside = Thread(target=outlive_sigterm)
    beside.start()
    beside.join()

    assert signal.getsignal(signal.SIGTERM) == server.handle_exit
