"""A run's figures as the JSON file holds them; tables, report and comparison are made from it."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from tests.bench.cold_start import ColdStart
from tests.bench.figures import Row, Side
from tests.bench.profiling.profile import Profile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Document:
    """All that one run found out. `machine` says what it ran on, and how busy that was."""

    machine: dict[str, Any]
    rows: Sequence[Row]
    cold: Sequence[ColdStart]
    hello: Sequence[ColdStart]
    profiles: Sequence[Profile] = ()

    def write(self, path: Path) -> None:
        """Write it as JSON, with the folder where that is missing."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `write` wrote. Raises ValueError where the file holds anything else."""
        try:
            found = json.loads(path.read_text())
            return cls(
                machine=found["machine"],
                rows=[_row(row) for row in found["rows"]],
                cold=[ColdStart(**one) for one in found["cold"]],
                hello=[ColdStart(**one) for one in found["hello"]],
                profiles=[Profile.of(one) for one in found.get("profiles", ())],  # earlier files have none
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path} holds no figures of an earlier run; name a file that `--json` wrote.") from error


def describe_machine() -> dict[str, Any]:
    """What a reader must know to judge the figures; `load` is the load average as the run begins."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.platform(),
        "load": round(os.getloadavg()[0], 2),
    }


def _commit() -> str:
    described = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return described.stdout.strip()


def _row(found: dict[str, Any]) -> Row:
    other = found.get("other")  # earlier files have none
    sides = {"ours": Side(**found["ours"]), "floor": Side(**found["floor"]), "other": Side(**other) if other else None}
    return Row(**found | sides)
