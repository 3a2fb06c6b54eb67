"""What goes wrong on the way of one call to the API server and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tests.simulation.scenario import dice

if TYPE_CHECKING:
    from collections.abc import Container

    from tests.simulation.scenario import Scenario

Kind = Literal[
    "",
    "refused",  # the connection is refused: the call never left
    "lost before",  # silence: the call never arrived
    "lost after",  # silence: the call was done, its answer never arrived
    "reset",  # done, and the connection breaks before the answer
    "cut body",  # done, and the connection breaks within the answer's body
    "half body",  # done, and a proxy passes half an answer on as a whole one
    "429",
    "500 before",
    "500 after",  # done, and answered 500 all the same
    "503",
    "504 after",  # done, too late for the server's own patience
    "unchanged",  # a PATCH is not done, and answered with the object as it was
    "policy",  # an admission policy refuses what is written
    "quota",  # the namespace's quota is used up
    "page",  # a proxy's HTML page with status 400
    "late",  # it arrives after its caller has given up
    "slow answer",  # it is done at once, and answered after its caller has given up
    "delayed",  # it arrives after others that were sent later
]

KINDS: tuple[Kind, ...] = Kind.__args__[1:]  # type: ignore[attr-defined]
_HARMLESS_BY_HAND = tuple(kind for kind in KINDS if kind != "late")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What becomes of one call: seconds until it arrives and until its answer does, and what goes wrong."""

    key: str
    kind: Kind
    there: float
    back: float
    replica: int


def fate(scenario: Scenario, pod: str, number: int, *, without: Container[str], healed: bool) -> Fate:
    """Draw the fate of a pod's call.

    Args:
        scenario: the run.
        pod: the pod's name, with its incarnation.
        number: of the call in that incarnation.
        without: keys of calls to which nothing happens.
        healed: nothing happens to any call any more.
    """
    key = f"call-{pod}-{number}"
    rng = dice(scenario.seed, key)
    there, back = rng.expovariate(1 / scenario.latency), rng.expovariate(1 / scenario.latency)
    replica = rng.randrange(scenario.replicas)
    broken = rng.random() < scenario.fault_rate and not healed and key not in without
    kind = rng.choice(KINDS if scenario.world == "fenced" else _HARMLESS_BY_HAND) if broken else ""
    if kind == "late":
        there = rng.choice((rng.uniform(3.0, 9.0), rng.uniform(9.0, 60.0)))
    elif kind == "delayed":
        there = rng.uniform(0.05, 2.9)
    elif kind == "slow answer":
        back = rng.uniform(3.0, 20.0)
    return Fate(key=key, kind=kind, there=min(there, 60.0 if kind == "late" else 2.9), back=back, replica=replica)
