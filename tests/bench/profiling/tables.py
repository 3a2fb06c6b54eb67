"""What a person reads of the profiles in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.profiling.profile import Profile


def profiles_table(profiles: Sequence[Profile]) -> Table:
    """Return CPU for each signal and where it went, by groups of modules."""
    shown = Table(title="the function's CPU for each signal, and where py-spy found it")
    shown.add_column("load", overflow="fold")
    for name in ("CPU ms", "others", "samples"):
        shown.add_column(name, justify="right", no_wrap=True)
    shown.add_column("at work", overflow="fold")
    for profile in profiles:
        groups = ", ".join(f"{name} {share:.0%}" for name, share in profile.groups.items())
        samples = str(profile.samples or "")
        shown.add_row(profile.name, f"{profile.cpu:.2f}", f"{profile.others:.0%}", samples, groups)
    return shown


def why_missing(profiles: Sequence[Profile]) -> list[str]:
    """Return, once each, the reasons why there is no profile."""
    return list(dict.fromkeys(profile.missing for profile in profiles if profile.missing))
