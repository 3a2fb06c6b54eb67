"""What happens in one run, drawn from a seed: the cast, the timetable and the kinds of fault.

Everything has a key, and what a key stands for is drawn from the seed and that key alone: taking one event
out leaves all others as they were, which is what lets a failing run be cut down.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Container

World = Literal["fenced", "by-hand", "shared"]

WORLDS: dict[World, float] = {"fenced": 0.7, "by-hand": 0.15, "shared": 0.15}
"""`fenced` (reads: fenced, or consistent): every fault, and nobody deletes ended RRs before their time.
`by-hand` (reads: consistent): people delete any RR at any time, nothing stalls longer than a Lease.
`shared` (reads: consistent): the same beside a gateway like kubernaut's, clocks kept by NTP."""

RETENTION = 600.0
"""Seconds after which the orchestrator deletes ended RRs; a cluster would keep them for hours."""

_SECOND_ACT = RETENTION + 150.0
"""By then most of what the first act ended is old enough to be deleted."""

TARGETS = ("web-eacf03056bb4", "web-53a35605e748", "web-0")
"""Pods. The fingerprints of the first two both start 894a070f2bc6: their RRs want the same names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of the timetable: `at` in true seconds, `kind` names who acts."""

    key: str
    at: float
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """A pod that stops for `seconds`, or for good where it dies: before a certain step of its event loop, or,
    at step 0, at the moment it gets a Lease."""

    key: str
    pod: int
    step: int
    kind: Literal["pause", "suspend", "kill"]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One run before it is run."""

    seed: int
    world: World
    reads: Literal["fenced", "consistent"]
    pods: int
    replicas: int
    lags: tuple[float, ...]
    replica_offsets: tuple[float, ...]
    clock_offset: float
    clock_drift: float
    targets: tuple[str, ...]
    fault_rate: float
    latency: float
    group_interval: float
    defaults: bool
    """Whether the resource definition gives a status by default."""
    jumping: bool
    """Whether the API servers' clocks jump; then no RR holds its problem for a time after its end."""
    first_count: Literal["implied", "written"]
    cooldown: float
    resolves: bool
    """Whether alerts are resolved, too."""
    events: tuple[Event, ...]
    stops: tuple[Stop, ...]


def dice(seed: int, key: str) -> random.Random:
    """Return the dice of one key of a seed."""
    return random.Random(f"{seed}/{key}")


def draw(seed: int, *, without: Container[str] = ()) -> Scenario:
    """Return the scenario of a seed, less the events and stops whose keys are in `without`."""
    rng = dice(seed, "scenario")
    world = rng.choices(list(WORLDS), list(WORLDS.values()))[0]
    calm = world != "fenced"
    pods, replicas = rng.choice((1, 2, 2, 3, 3, 4)), rng.choice((1, 2, 3))
    scenario = Scenario(
        seed=seed,
        world=world,
        reads="consistent" if calm or rng.random() < 0.2 else "fenced",
        pods=pods,
        replicas=replicas,
        lags=tuple(rng.choice((0.0, 0.02, 0.5, 3.0, 30.0)) for _ in range(replicas)),
        replica_offsets=tuple(rng.uniform(-0.2, 0.2) for _ in range(replicas)),
        clock_offset=2.0 if world == "shared" else rng.choice((0.0, 5.0, 600.0)),
        clock_drift=rng.choice((0.0, 1e-4, 5e-3)),
        targets=rng.choice((TARGETS[:1], TARGETS[:1], TARGETS[1:], TARGETS)),
        fault_rate=rng.choice((0.0, 0.03, 0.1, 0.25)),
        latency=rng.choice((0.001, 0.01, 0.1)),
        group_interval=rng.choice((5.0, 10.0, 30.0)),
        defaults=rng.random() < 0.5,
        jumping=not calm and rng.random() < 0.15,
        first_count="written" if rng.random() < 0.2 else "implied",
        cooldown=0.0,
        resolves=dice(seed, "resolves").random() < 0.3,
        events=(),
        stops=(),
    )
    if not scenario.jumping:
        scenario = replace(scenario, cooldown=dice(seed, "cooldown").choice((0.0, 0.0, 0.0, 10.0, 60.0)))
    timetable = _timetable(rng, world)
    timetable += _muddles(dice(seed, "muddles"), timetable)
    timetable += _deletions(dice(seed, "deletions"), timetable)
    timetable += _resolves(dice(seed, "when resolved"), timetable, resolves=scenario.resolves)
    timetable += _jumps(dice(seed, "jumps"), timetable, jumping=scenario.jumping)
    events = sorted((event for event in timetable if event.key not in without), key=lambda each: (each.at, each.key))
    stops = [stop for stop in _stops(rng, pods, calm=calm) if stop.key not in without]
    return replace(scenario, events=tuple(events), stops=tuple(stops))


def _timetable(rng: random.Random, world: World) -> list[Event]:
    acts = [0.0] if rng.random() < 0.75 else [0.0, _SECOND_ACT]
    moments = [start + rng.uniform(0.0, span) for start in acts for span in _spans(rng)]
    events = [Event(key=f"notify-{number}", at=at, kind="notify") for number, at in enumerate(moments)]
    events += [Event(key="cleanup-0", at=acts[-1] + rng.choice((0.0, rng.uniform(0.0, 2.0))), kind="cleanup")]
    others = {"phase": rng.randint(2, 16), "operator": rng.choice((0, 0, 1, 4)), "outage": rng.choice((0, 0, 0, 1, 2))}
    others["prune"] = rng.choice((0, 0, 1, 4))
    others["namesake"] = rng.choice((0, 0, 0, 0, 1, 2))
    if world == "shared":
        others["foreign"] = rng.randint(1, 10)
    for kind, times in others.items():
        for number in range(times):
            # Near a notification: that is where the races are.
            at = max(0.0, rng.choice(moments) + rng.choice((rng.uniform(-0.5, 1.0), rng.uniform(0.0, 40.0))))
            events.append(Event(key=f"{kind}-{number}", at=at, kind=kind))
    return events


def _muddles(rng: random.Random, timetable: list[Event]) -> list[Event]:
    """Moments at which what a pod remembers becomes wrong: right before an alert, or while it is worked on."""
    moments = [event.at for event in timetable if event.kind == "notify"]
    return [
        Event(key=f"muddle-{number}", at=max(0.0, rng.choice(moments) + rng.uniform(-0.01, 0.5)), kind="muddle")
        for number in range(rng.choice((0, 0, 0, 3, 10)))
    ]


def _deletions(rng: random.Random, timetable: list[Event]) -> list[Event]:
    """Deletions of RRs in the midst of alerts, of ended ones mostly: retention counts from an RR's end, and says
    nothing of how long ago somebody looked at it."""
    moments = [event.at for event in timetable if event.kind == "notify"]
    return [
        Event(key=f"delete-{number}", at=max(0.0, rng.choice(moments) + rng.uniform(-0.5, 1.5)), kind="delete")
        for number in range(rng.choice((0, 0, 3, 12)))
    ]


def _resolves(rng: random.Random, timetable: list[Event], *, resolves: bool) -> list[Event]:
    """Moments at which alerts are resolved: near their notifications, and long after."""
    moments = [event.at for event in timetable if event.kind == "notify"]
    pauses = (rng.uniform(-0.2, 0.5), rng.uniform(0.0, 10.0), rng.uniform(0.0, 60.0))
    return [
        Event(key=f"resolve-{number}", at=max(0.0, rng.choice(moments) + rng.choice(pauses)), kind="resolve")
        for number in range(rng.randint(1, 6) if resolves else 0)
    ]


def _jumps(rng: random.Random, timetable: list[Event], *, jumping: bool) -> list[Event]:
    """Moments at which an API server's clock is set, ahead or back."""
    moments = [event.at for event in timetable if event.kind == "notify"]
    return [
        Event(key=f"jump-{number}", at=max(0.0, rng.choice(moments) + rng.uniform(-0.5, 5.0)), kind="jump")
        for number in range(rng.randint(1, 3) if jumping else 0)
    ]


def _spans(rng: random.Random) -> list[float]:
    span = rng.choice((0.05, 2.0, 20.0, 90.0))
    return [span] * rng.randint(2, 10)


def _stops(rng: random.Random, pods: int, *, calm: bool) -> list[Stop]:
    stops = []
    for number in range(rng.choice((0, 0, 1, 2, 4))):
        kind: Literal["pause", "suspend", "kill"] = rng.choice(("pause", "suspend", "kill"))
        longest = 12.0 if calm else rng.choice((5.0, 40.0, 120.0))
        step = int(10 ** rng.uniform(0.3, 2.7))
        if rng.random() < 0.3:
            step, longest = 0, 12.0 if calm else 60.0
        stop = Stop(
            key=f"stop-{number}", pod=rng.randrange(pods), step=step, kind=kind, seconds=rng.uniform(1.0, longest)
        )
        stops.append(stop)
    if not calm and rng.random() < 0.2:
        # One overstays its Lease, and so does the one that takes it over: now the first comes back.
        stops += [
            Stop(key=f"overstay-{pod}", pod=pod, step=0, kind="pause", seconds=rng.uniform(20.0, 60.0))
            for pod in range(pods)
        ]
    return stops
