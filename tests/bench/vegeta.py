"""Load by vegeta: a closed loop against the function, from a process of its own.

`-rate 0` with as many workers at most as requests shall be in flight sends the next request as soon as one is
answered; `-lazy` ends the attack with the last target.
"""

from __future__ import annotations

import csv
import json
import subprocess
from base64 import b64decode, b64encode
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.checks import WrongWorkError
from tests.bench.load import Slice
from tests.gobuild import GoProgram, Report, to_stderr

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

_VEGETA = GoProgram(
    name="vegeta",
    sources=Path(__file__).parent / "go",
    module="github.com/tsenart/vegeta/v12",
    package="github.com/tsenart/vegeta/v12",
    duration="20 seconds",
)
_JSON = {"Content-Type": ["application/json"]}
_NANOSECONDS = 1e9
# vegeta's own record of the end of the targets, which no server answered.
_END = "no targets to attack"
# Columns of `vegeta encode --to csv`.
_TIMESTAMP, _CODE, _LATENCY, _ERROR, _BODY = 0, 1, 2, 5, 6


def build_vegeta(*, report: Report = to_stderr) -> Path:
    """Return the binary. Raises BuildError."""
    return _VEGETA.build(report=report)


def attack(
    binary: Path, url: str, bodies: Iterable[bytes], *, in_flight: int, expected: Collection[int], folder: Path
) -> Slice:
    """POST every body, `in_flight` at a time. Raises WrongWorkError where an answer is none of `expected`."""
    targets, results = folder / "targets.jsonl", folder / "results.bin"
    targets.write_text("".join(f"{_target(url, body)}\n" for body in bodies))
    workers = (f"-workers={in_flight}", f"-max-workers={in_flight}", f"-connections={in_flight}")
    inputs = ("-format=json", "-lazy", f"-targets={targets}", f"-output={results}")
    limits = ("-rate=0", "-timeout=90s", "-max-body=512B")
    subprocess.run([binary, "attack", *inputs, *workers, *limits], check=True)
    listed = subprocess.run([binary, "encode", "--to=csv", results], check=True, capture_output=True, text=True)
    return parse_results(listed.stdout, expected=expected)


def parse_results(text: str, *, expected: Collection[int]) -> Slice:
    """Read what `vegeta encode --to=csv` wrote. Raises WrongWorkError as `attack` does."""
    rows = [row for row in csv.reader(text.splitlines()) if row[_ERROR] != _END]
    for row in rows:
        if int(row[_CODE]) not in expected:
            body = b64decode(row[_BODY]).decode(errors="replace")
            raise WrongWorkError(f"answered {row[_CODE]}, not one of {sorted(expected)}: {row[_ERROR]} {body}")
    return _slice([(int(row[_TIMESTAMP]), int(row[_LATENCY])) for row in rows])


def _slice(requests: Sequence[tuple[int, int]]) -> Slice:
    begun = min(start for start, _ in requests)
    ends = tuple((start + latency - begun) / _NANOSECONDS for start, latency in requests)
    return Slice(tuple(latency / _NANOSECONDS for _, latency in requests), ends, max(ends))


def _target(url: str, body: bytes) -> str:
    return json.dumps({"method": "POST", "url": url, "header": _JSON, "body": b64encode(body).decode()})
