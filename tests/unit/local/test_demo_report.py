"""The report adds up what was acknowledged and what is counted, and fails where they differ."""

from collections import Counter
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from core.local.demo.report import ShownRR, doubled, gained, show_report, uncounted
from core.local.demo.sender import Tally


def shown_rr(
    name: str = "rr-1", *, count: int = 0, phase: str = "", fingerprint: str = "", last: str = "2026-01-02T03:04:05Z"
) -> ShownRR:
    status: dict[str, Any] = {"overallPhase": phase} if phase else {}
    if count:
        times = {"firstSeenAt": "2026-01-01T03:04:05Z", "lastSeenAt": last}
        status["deduplication"] = {"occurrenceCount": count, **times}
    return ShownRR.from_object(
        {
            "metadata": {"name": name, "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {
                "signalFingerprint": fingerprint or name,
                "signalName": "KubePodCrashLooping",
                "targetResource": {"kind": "Pod", "name": "cart-1", "namespace": "shop"},
            },
            "status": status,
        }
    )


def by_name(*rrs: ShownRR) -> dict[str, ShownRR]:
    return {each.view.name: each for each in rrs}


def report(tally: Tally, *, before: tuple[ShownRR, ...] = (), after: tuple[ShownRR, ...] = ()) -> tuple[bool, str]:
    out = StringIO()
    passed = show_report(
        Console(file=out, width=140), tally, before=by_name(*before), after=by_name(*after), seconds=1.25
    )
    return passed, out.getvalue()


def tally_of(**acknowledged: int) -> Tally:
    names = {name.replace("_", "-"): number for name, number in acknowledged.items()}
    total = sum(acknowledged.values())
    return Tally(answers=Counter({202: total}), alerts=Counter(deduplicated=total), acknowledged=Counter(names))


def test_report_passes_where_every_acknowledged_alert_is_counted() -> None:
    passed, text = report(tally_of(rr_1=4), after=(shown_rr(count=4),))
    assert passed
    assert text.count("PASS") == 3
    assert "4 alerts in 1.2 s: 4 deduplicated" in text
    assert "4 answers: 4 x 202" in text
    assert "1 RRs, 4 new occurrences" in text


def test_report_fails_where_an_rr_counts_too_few() -> None:
    passed, text = report(tally_of(rr_1=5), after=(shown_rr(count=4),))
    assert not passed
    assert "FAIL  every acknowledged alert is counted" in text
    assert "rr-1: 5 alerts were acknowledged, 4 are counted" in text


def test_report_fails_where_an_rr_is_gone() -> None:
    passed, text = report(tally_of(rr_1=1))
    assert not passed
    assert "rr-1: 1 alerts were acknowledged, 0 are counted" in text


def test_report_fails_where_two_active_rrs_stand_for_one_problem() -> None:
    twins = (shown_rr("rr-1", count=1, fingerprint="f"), shown_rr("rr-2", count=1, fingerprint="f"))
    passed, text = report(tally_of(rr_1=1, rr_2=1), after=twins)
    assert not passed
    assert "rr-1 and rr-2 stand for one problem" in text


def test_report_fails_where_a_webhook_was_given_up_and_tells_five_of_them() -> None:
    passed, text = report(Tally(undelivered=[f"group {number}" for number in range(7)], unanswered=3))
    assert not passed
    assert text.count("group ") == 5
    assert "and 2 more" in text
    assert "3 x no answer" in text
    assert "none delivered" in text


def test_report_tells_why_alerts_were_refused_once_each() -> None:
    passed, text = report(Tally(refused=["no label names a target"] * 3))
    assert passed
    assert text.count("refused: no label names a target") == 1


def test_row_shows_name_alert_target_phase_count_and_times() -> None:
    _, text = report(tally_of(rr_1=4), before=(shown_rr(count=3),), after=(shown_rr(count=7, phase="Executing"),))
    for cell in ("rr-1", "KubePodCrashLooping", "Pod shop/cart-1", "Executing", "7 (+4)", "01 Jan 03:04", "03:04:05"):
        assert cell in text


def test_untouched_rrs_are_not_shown() -> None:
    _, text = report(tally_of(rr_1=1), after=(shown_rr("rr-1", count=1), shown_rr("rr-other", count=9)))
    assert "rr-other" not in text


@pytest.mark.parametrize(("last", "shown"), [("yesterday", "yesterday"), ("", "-")])
def test_unreadable_time_is_shown_as_it_is(last: str, shown: str) -> None:
    _, text = report(tally_of(rr_1=1), after=(shown_rr(count=1, last=last),))
    assert any(line.rstrip().endswith(f"  {shown}") for line in text.splitlines())


def test_rr_without_a_count_stands_for_one_alert_seen_at_its_creation() -> None:
    shown = shown_rr()
    assert gained({}, by_name(shown)) == {"rr-1": 1}
    assert shown.first_seen == shown.last_seen == "2026-01-01T00:00:00Z"


def test_only_what_was_added_counts() -> None:
    assert gained(by_name(shown_rr(count=3)), by_name(shown_rr(count=5))) == {"rr-1": 2}


def test_more_than_acknowledged_is_fine_for_retries_and_others_count_too() -> None:
    assert uncounted({"rr-1": 2}, {"rr-1": 3}) == []


def test_ended_rr_beside_an_active_one_is_fine() -> None:
    pair = [shown_rr("rr-1", phase="Completed", fingerprint="f"), shown_rr("rr-2", fingerprint="f")]
    assert doubled(pair) == []


def test_cluster_scoped_target_has_no_namespace() -> None:
    target = {"kind": "Node", "name": "node-1"}
    shown = ShownRR.from_object({"metadata": {"name": "rr-1"}, "spec": {"targetResource": target}})
    assert shown.target == "Node node-1"


def test_rr_of_a_looser_schema_without_target_is_shown_too() -> None:
    assert ShownRR.from_object({"metadata": {"name": "rr-1"}, "spec": {}}).target == "-"
