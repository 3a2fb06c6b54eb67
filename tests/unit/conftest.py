"""What all unit tests share."""

import asyncio

import pytest


@pytest.fixture(scope="session", autouse=True)
def no_loop_outside_tests():
    """looptime asks the policy for a loop in sync tests too; Python 3.11 would make one that nobody closes."""
    asyncio.set_event_loop(None)
