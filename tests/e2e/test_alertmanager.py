"""A real Alertmanager posts to the function, which writes to a real kube-apiserver."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.alertmanager import Alertmanager
from tests.e2e.counting import acknowledged, check_counts, fingerprint, is_over, pod, times
from tests.e2e.recorder import UNREACHABLE, Recorder
from tests.support.cluster import SENDER, SENDER_RULES, Cluster
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.apiserver import KubeApiserver
    from tests.e2e.conftest import StartFunction

    StartAlertmanager = Callable[..., Alertmanager]

# Every interval is as short as it can be; the lower bound of a notification's own retries stays 10 s.
REPEATING = {"group_by": ["alertname"], "group_wait": "50ms", "group_interval": "300ms", "repeat_interval": "100ms"}
ONCE = REPEATING | {"repeat_interval": "1h"}
# As docs and Alertmanager's own defaults have them, but for the first wait: all alerts are there at once.
OF_USERS = {"group_by": ["alertname"], "group_wait": "1s", "group_interval": "5m", "repeat_interval": "4h"}
CHECKED: Any = {"SLUICE_AUTH": "kubernetes"}


@pytest.fixture
def cluster(breakable_apiserver: KubeApiserver) -> Cluster:
    return Cluster(breakable_apiserver)


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with Recorder() as recorder:
        yield recorder


@pytest.fixture
def start_alertmanager(recorder: Recorder, cluster: Cluster, tmp_path: Path) -> Iterator[StartAlertmanager]:
    """Starts one that posts through the recorder, configured as the README says."""
    token = cluster.add_account(SENDER, SENDER_RULES)
    with ExitStack() as running:

        def start(name: str = "alertmanager", *, route: dict[str, Any]) -> Alertmanager:
            folder = tmp_path / name
            folder.mkdir()
            receiver = {
                "url": recorder.url(name),
                "send_resolved": True,
                "max_alerts": 0,
                "http_config": {"authorization": {"credentials": token}},
            }
            alertmanager = Alertmanager(folder=folder, receiver=receiver, route=route)
            return running.enter_context(alertmanager)

        yield start


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Prints a figure, whatever pytest captures."""

    def say(figure: str) -> None:
        with capsys.disabled():
            print(f"\n{figure}")  # noqa: T201

    return say


def test_groups_repeats_and_resolved_alerts_end_in_one_rr_each(
    start_function: StartFunction, start_alertmanager: StartAlertmanager, recorder: Recorder, cluster: Cluster
) -> None:
    recorder.targets = [start_function(**CHECKED).url]
    alertmanager = start_alertmanager(route=REPEATING)
    memory, more_memory = pod("web-1"), pod("web-2")
    same_pod, late = pod("web-1", "HighCpuUsage"), pod("web-3")

    alertmanager.fire(memory, more_memory, same_pod)
    recorder.wait_for(lambda all_: times(all_, memory) >= 3 and times(all_, same_pod) >= 3, what="repeats")
    alertmanager.fire(late)
    recorder.wait_for(lambda all_: times(all_, late) >= 1, what="the alert that joined its group late")
    alertmanager.resolve(memory, more_memory, same_pod, late)
    recorder.wait_for(
        lambda all_: all(is_over(all_, alert) for alert in (memory, more_memory, same_pod, late)), what="the end"
    )
    alertmanager.stop()

    counts = check_counts(cluster, recorder)
    assert {delivery.status for delivery in recorder.deliveries} <= {200, 201, 202}
    assert counts == acknowledged(recorder.deliveries), "nothing went wrong, so counts are exact"
    assert len(counts) == 3, "two alerts are about one pod"


def test_alert_after_the_rr_ended_makes_a_new_one(
    start_function: StartFunction, start_alertmanager: StartAlertmanager, recorder: Recorder, cluster: Cluster
) -> None:
    recorder.targets = [start_function(**CHECKED).url]
    alertmanager = start_alertmanager(route=REPEATING)
    alertmanager.fire(pod("web-1"))
    recorder.wait_for(lambda all_: times(all_, pod("web-1")) >= 2, what="a repeat")

    (ended,) = cluster.rrs()
    cluster.set_phase(ended["metadata"]["name"], "Completed")
    recorder.wait_for(lambda all_: [each.status for each in all_].count(201) == 2, what="a second RR")
    alertmanager.stop()

    counts = check_counts(cluster, recorder)
    assert counts == acknowledged(recorder.deliveries)
    assert len(cluster.rrs()) == 2


def test_alert_that_fired_while_the_api_server_was_down_arrives_afterwards(
    start_function: StartFunction, start_alertmanager: StartAlertmanager, recorder: Recorder, cluster: Cluster
) -> None:
    function = start_function(SLUICE_AUTH="kubernetes")
    recorder.targets = [function.url]
    alertmanager = start_alertmanager(route=ONCE)
    before, meanwhile = pod("web-1"), pod("web-2", "HighCpuUsage")
    alertmanager.fire(before)
    recorder.wait_for(lambda all_: times(all_, before) == 1, what="the alert before")

    cluster.server.stop()
    alertmanager.fire(meanwhile)
    recorder.wait_for(lambda all_: [each.status for each in all_].count(503) >= 3, what="retries")
    assert alertmanager.metric("alertmanager_notification_requests_failed_total") >= 2
    assert times(recorder.deliveries, meanwhile) == 0
    cluster.server.start()
    # The breaker may have opened meanwhile; it lets probes through after 30 s.
    recorder.wait_for(lambda all_: times(all_, meanwhile) == 1, what="the alert meanwhile", within=60)
    wait_for(
        lambda: alertmanager.metric("alertmanager_notifications_total") >= 2, what="Alertmanager's count", within=5
    )
    alertmanager.stop()

    check_counts(cluster, recorder)
    assert all(each.retry_after for each in recorder.deliveries if each.status == 503)


def test_alert_without_a_target_is_taken_and_its_neighbours_are_stored(
    start_function: StartFunction, start_alertmanager: StartAlertmanager, recorder: Recorder, cluster: Cluster
) -> None:
    recorder.targets = [start_function(**CHECKED).url]
    alertmanager = start_alertmanager(route=ONCE)
    without_target = {"alertname": "HighMemoryUsage", "namespace": "prod", "container": "app"}

    alertmanager.fire(pod("web-1"), without_target, without_target | {"alertname": "Watchdog"})
    recorder.wait_for(lambda all_: {201, 200} <= {each.status for each in all_}, what="both groups")
    alertmanager.stop()

    counts = check_counts(cluster, recorder)
    assert counts == {fingerprint(pod("web-1")): 1}
    assert {each.status for each in recorder.deliveries} == {200, 201}
    stored = next(each for each in recorder.deliveries if each.status == 201)
    assert without_target in stored.firing


def test_function_that_was_killed_goes_on_counting(
    start_function: StartFunction, start_alertmanager: StartAlertmanager, recorder: Recorder, cluster: Cluster
) -> None:
    first = start_function(**CHECKED)
    recorder.targets = [first.url]
    alertmanager = start_alertmanager(route=REPEATING)
    alertmanager.fire(pod("web-1"), pod("web-2"))
    recorder.wait_for(lambda all_: times(all_, pod("web-2")) >= 2, what="repeats")

    first.kill()
    recorder.wait_for(lambda all_: any(each.status == UNREACHABLE for each in all_), what="a refused connection")
    recorder.targets = [start_function(**CHECKED).url]
    mark = recorder.mark()
    recorder.wait_for(lambda all_: times(all_[mark:], pod("web-2")) >= 2, what="repeats to the new one")
    alertmanager.stop()

    check_counts(cluster, recorder)
    assert len(cluster.rrs()) == 2


def test_answer_that_got_lost_is_counted_and_asked_for_again(
    start_function: StartFunction, start_alertmanager: StartAlertmanager, recorder: Recorder, cluster: Cluster
) -> None:
    recorder.targets = [start_function(**CHECKED).url]
    recorder.lose_answers(2)
    alertmanager = start_alertmanager(route=ONCE)

    alertmanager.fire(pod("web-1"), pod("web-2"))
    recorder.wait_for(lambda all_: any(not each.lost for each in all_), what="a retry")
    alertmanager.stop()

    counts = check_counts(cluster, recorder)
    assert [each.status for each in recorder.deliveries] == [201, 202, 202]
    assert set(counts.values()) == {3}


def test_two_alertmanagers_and_two_functions_share_one_rr(
    start_function: StartFunction, start_alertmanager: StartAlertmanager, recorder: Recorder, cluster: Cluster
) -> None:
    functions = [start_function(**CHECKED) for _ in range(2)]
    recorder.targets = [function.url for function in functions]
    alertmanagers = [start_alertmanager(name, route=REPEATING) for name in ("one", "other")]
    alerts = [pod(f"web-{number}") for number in range(20)]

    for alertmanager in alertmanagers:
        alertmanager.fire(*alerts)
    recorder.wait_for(
        lambda all_: all(sum(each.sender == name for each in all_) >= 4 for name in ("one", "other")), what="repeats"
    )
    for alertmanager in alertmanagers:
        alertmanager.stop()

    counts = check_counts(cluster, recorder)
    assert counts == acknowledged(recorder.deliveries)
    assert len(counts) == 20
    assert cluster.held_leases() == []


@pytest.mark.long
@pytest.mark.parametrize("alerts", [1000, 5000])
def test_large_group_of_new_alerts_is_stored_once_by_a_few_deliveries(
    start_function: StartFunction,
    start_alertmanager: StartAlertmanager,
    recorder: Recorder,
    cluster: Cluster,
    say: Callable[[str], None],
    *,
    alerts: int,
) -> None:
    """What the deadline cuts off, the next delivery goes on with."""
    recorder.targets = [start_function(SLUICE_AUTH="kubernetes", SLUICE_REQUEST_DEADLINE="8").url]
    alertmanager = start_alertmanager(route=OF_USERS)
    pods = [pod(f"web-{number}") for number in range(alerts)]

    started = time.monotonic()
    alertmanager.fire(*pods)
    recorder.wait_for(lambda all_: all_ and all_[-1].acknowledged, what="a delivery that is taken whole", within=290)
    took = time.monotonic() - started
    alertmanager.stop()

    counts = check_counts(cluster, recorder)
    statuses = [delivery.status for delivery in recorder.deliveries]
    say(f"{alerts} new alerts in one group: {statuses}, {took:.1f} s from the alerts to the 2xx")
    assert len(cluster.rrs()) == len(counts) == alerts
    assert len(recorder.deliveries[-1].firing) == alerts
