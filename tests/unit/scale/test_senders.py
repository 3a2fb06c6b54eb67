"""When Alertmanager sends again."""

import pytest

from tests.bench.scale.pods import Line, Pods
from tests.bench.scale.senders import GROUP_INTERVAL, Cohort, Phase, Senders
from tests.bench.scale.work import ServerCapacity, Work

WORK = Work(signals=1.0, function=0.5, server=0.25, seats=0.1, latency=0.0)


def cohort(number: float = 1.0, *, arrived: float = 0.0, attempt: int = 0) -> Cohort:
    return Cohort(number=number, work=WORK, first_sent=0.0, arrived=arrived, attempt=attempt)


def test_a_phase_is_spread_evenly():
    senders = Senders([Phase(start=1.0, end=3.0, webhooks=20, work=WORK)])
    assert [sum(each.number for each in senders.send(at, at + 1.0)) for at in (0.0, 1.0, 2.0, 3.0)] == [0, 10, 10, 0]


def test_pauses_between_attempts_grow_by_half():
    senders = Senders([])
    senders.refuse(cohort(), 0.0)
    assert not senders.send(0.4, 0.5)
    (again,) = senders.send(0.5, 0.6)
    assert again.attempt == 1
    senders.refuse(again, 0.5)
    assert not senders.send(1.1, 1.2)
    assert senders.send(1.2, 1.3)


def test_attempts_end_at_the_group_interval_and_the_next_flush_begins_anew():
    senders = Senders([])
    senders.refuse(cohort(attempt=20), 270.0)
    assert not senders.send(270.0, GROUP_INTERVAL)
    (again,) = senders.send(GROUP_INTERVAL, GROUP_INTERVAL + 0.1)
    assert (again.attempt, again.first_sent) == (0, GROUP_INTERVAL)


def test_done_means_nothing_will_come():
    senders = Senders([Phase(start=0.0, end=1.0, webhooks=1, work=WORK)])
    assert not senders.done(0.5)
    senders.refuse(cohort(), 1.0)
    assert not senders.done(2.0)
    senders.send(0.0, 5.0)
    assert senders.done(5.0)


def test_pods_take_their_time_to_start():
    pods = Pods(ready=1, starts_in=2.0)
    pods.scale(3, 10.0)
    assert [pods.ready(now) for now in (10.0, 11.9, 12.0)] == [1, 1, 3]
    pods.scale(1, 12.0)
    assert pods.ready(12.0) == 1


@pytest.mark.parametrize(
    ("cores", "server", "finished"),
    [
        (1.0, ServerCapacity(cores=9.0, seats=9.0), 2.0),  # 1 s / 0.5 s of the function
        (9.0, ServerCapacity(cores=1.0, seats=9.0), 4.0),  # 1 s / 0.25 s of the server
        (9.0, ServerCapacity(cores=9.0, seats=0.1), 1.0),  # 0.1 / 0.1 seats
    ],
)
def test_the_scarcest_resource_decides(cores, server, finished):
    line = Line()
    line.add(cohort(10.0))
    stored, _ = line.work_off(seconds=1.0, cores=cores, server=server, now=1.0)
    assert stored == pytest.approx(finished)
    assert line.number == pytest.approx(10 - finished)


def test_who_came_first_is_served_first():
    line = Line()
    line.add(cohort(1.0, arrived=0.0))
    line.add(cohort(1.0, arrived=5.0))
    (taken,) = line.take(1.0)
    assert taken.arrived == 0.0
    assert not line.take_older(5.0)
    assert len(line.take_older(5.1)) == 1
