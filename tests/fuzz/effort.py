"""How hard the fuzzing tries: the same few examples in each `make test`, many new ones in `make fuzz`."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_TIMES = "SLUICE_FUZZ_TIMES"


def effort(examples: int) -> settings:
    """Return settings for `examples` in the default suite, and that many times SLUICE_FUZZ_TIMES where it is set.

    Without the variable the examples are the same on each run; with it they are new ones, failures are kept and
    come first the next time, and each prints the line that replays it.
    """
    times = int(os.environ.get(_TIMES, "0"))
    quiet = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    if times:
        return settings(
            max_examples=examples * times,
            derandomize=False,
            deadline=None,
            print_blob=True,
            suppress_health_check=quiet,
        )
    return settings(max_examples=examples, derandomize=True, database=None, deadline=None, suppress_health_check=quiet)
