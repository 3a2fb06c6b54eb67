"""SIGTERM reaches the server that waits for it once; raised again, it waits for the loop's end."""

import signal
import threading

import pytest

from functions._sigterm import outlive_sigterm


@pytest.fixture(autouse=True)
def signals_put_back():
    handler = signal.getsignal(signal.SIGTERM)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    yield
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # what is still pending must not end the tests
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def seen():
    """What a server's handler has seen."""
    seen: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: seen.append(number))
    return seen


def test_server_sees_the_first_signal_and_the_second_waits(seen):
    outlive_sigterm()
    signal.raise_signal(signal.SIGTERM)  # in this thread, as uvicorn does; another would still take it
    signal.raise_signal(signal.SIGTERM)
    assert seen == [signal.SIGTERM]
    assert signal.SIGTERM in signal.sigpending()


def test_second_gateway_of_a_process_changes_nothing_more(seen):
    outlive_sigterm()
    first = signal.getsignal(signal.SIGTERM)
    outlive_sigterm()
    assert signal.getsignal(signal.SIGTERM) is first


@pytest.mark.parametrize("handler", [signal.SIG_DFL, signal.SIG_IGN])
def test_nothing_changes_where_no_server_waits(handler):
    signal.signal(signal.SIGTERM, handler)
    outlive_sigterm()
    assert signal.getsignal(signal.SIGTERM) is handler


def test_nothing_changes_in_a_loop_beside_the_main_thread(seen):
    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=outlive_sigterm)
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGTERM) is before
