"""Load by vegeta: a closed loop against the function, from a process of its own.

`-rate 0` with as many workers at most as requests shall be in flight sends the next request as soon as one is
answered; `-lazy` ends the attack with the last target.
"""

from __future__ import annotations

import csv
import json
import subprocess
from base64 import b64decode, b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.bench.checks import WrongWorkError
from tests.bench.load import Slice
from tests.gobuild import GoProgram, Report, to_stderr

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from tests.support.cloud_events import Sent

_VEGETA = GoProgram(
    name="vegeta",
    sources=Path(__file__).parent / "go",
    module="github.com/tsenart/vegeta/v12",
    package="github.com/tsenart/vegeta/v12",
    duration="20 seconds",
)
_NANOSECONDS = 1e9
# vegeta's own record of the end of the targets, which no server answered.
_END = "no targets to attack"
# Columns of `vegeta encode --to csv`.
_TIMESTAMP, _CODE, _LATENCY, _ERROR, _BODY, _URL = 0, 1, 2, 5, 6, 10
_RETRY = "503"


@dataclass(frozen=True)
class Attack:
    """A slice, and the places of the requests that were answered 503: their sender would send them again."""

    slice: Slice
    refused: frozenset[int]


def build_vegeta(*, report: Report = to_stderr) -> Path:
    """Return the binary. Raises BuildError."""
    return _VEGETA.build(report=report)


def attack(
    binary: Path, url: str, requests: Iterable[Sent], *, in_flight: int, expected: Collection[int], folder: Path
) -> Attack:
    """POST every request to `url`, `in_flight` at a time.

    Raises WrongWorkError where an answer is neither 503 nor one of `expected`, or where none is anything but 503.
    """
    targets, results = folder / "targets.jsonl", folder / "results.bin"
    # vegeta's own numbers are not those of the targets when several are in flight.
    address = url if urlsplit(url).path else f"{url}/"
    numbered = (_target(f"{address}?{index}", request) for index, request in enumerate(requests))
    targets.write_text("".join(f"{line}\n" for line in numbered))
    workers = (f"-workers={in_flight}", f"-max-workers={in_flight}", f"-connections={in_flight}")
    inputs = ("-format=json", "-lazy", f"-targets={targets}", f"-output={results}")
    limits = ("-rate=0", "-timeout=90s", "-max-body=512B")
    subprocess.run([binary, "attack", *inputs, *workers, *limits], check=True)
    listed = subprocess.run([binary, "encode", "--to=csv", results], check=True, capture_output=True, text=True)
    return parse_results(listed.stdout, expected=expected)


def parse_results(text: str, *, expected: Collection[int]) -> Attack:
    """Read what `vegeta encode --to=csv` wrote. Raises WrongWorkError as `attack` does."""
    rows = [row for row in csv.reader(text.splitlines()) if row[_ERROR] != _END]
    stored = [row for row in rows if row[_CODE] != _RETRY]
    refused = frozenset(int(row[_URL].rpartition("?")[2]) for row in rows if row[_CODE] == _RETRY)
    for row in stored or rows:
        if int(row[_CODE]) not in expected:
            body = b64decode(row[_BODY]).decode(errors="replace")
            raise WrongWorkError(f"answered {row[_CODE]}, not one of {sorted(expected)}: {row[_ERROR]} {body}")
    begun = min(int(row[_TIMESTAMP]) for row in rows)
    ended = max(_end(row) for row in rows)
    ends = tuple((_end(row) - begun) / _NANOSECONDS for row in stored)
    latencies = tuple(int(row[_LATENCY]) / _NANOSECONDS for row in stored)
    return Attack(Slice(latencies, ends, (ended - begun) / _NANOSECONDS, len(refused)), refused)


def _end(row: list[str]) -> int:
    return int(row[_TIMESTAMP]) + int(row[_LATENCY])


def _target(url: str, request: Sent) -> str:
    headers = {name: [value] for name, value in request.headers.items()}
    return json.dumps({"method": "POST", "url": url, "header": headers, "body": b64encode(request.body).decode()})
