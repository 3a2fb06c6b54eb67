"""Which phases of a RemediationRequest end it (seed: IsTerminalPhase)."""

TERMINAL_PHASES = frozenset({"Completed", "Failed", "TimedOut", "Skipped", "Cancelled"})


def is_terminal_phase(phase: str) -> bool:
    """Tell whether `phase` allows a new request for the same fingerprint.

    A whitelist: an unknown phase, an empty one, Blocked and Verifying count as active, for the worst
    an unknown phase can then do is to count a repeat where a new request was wanted.
    """
    return phase in TERMINAL_PHASES
