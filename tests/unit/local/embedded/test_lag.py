"""Reads with resourceVersion=0 may trail behind by a set amount; all others may not."""

from datetime import timedelta

import pytest

from core.common.clock import MockClock
from core.local.embedded import EmbeddedApi, Lag
from tests.unit.local.embedded.conftest import FINGERPRINT, LEASES, RRS, Caller

SELECTOR = f"spec.signalFingerprint={FINGERPRINT}"


class TestLagInSeconds:
    @pytest.fixture(autouse=True)
    def two_seconds(self, api: EmbeddedApi) -> None:
        api.lag = Lag(seconds=2)

    def test_a_creation_is_seen_when_the_lag_has_passed(self, caller: Caller, clock: MockClock):
        caller.remediation_request("rr-1")
        assert caller.names(RRS, resourceVersion="0", fieldSelector=SELECTOR) == []
        clock.advance(timedelta(seconds=1.9))
        assert caller.names(RRS, resourceVersion="0", fieldSelector=SELECTOR) == []
        clock.advance(timedelta(seconds=0.1))
        assert caller.names(RRS, resourceVersion="0", fieldSelector=SELECTOR) == ["rr-1"]

    def test_a_deletion_is_seen_when_the_lag_has_passed(self, caller: Caller, clock: MockClock):
        caller.remediation_request("rr-1")
        clock.advance(timedelta(seconds=5))
        caller.call("DELETE", f"{RRS}/rr-1")
        assert caller.names(RRS, resourceVersion="0") == ["rr-1"]
        clock.advance(timedelta(seconds=2))
        assert caller.names(RRS, resourceVersion="0") == []

    def test_an_update_is_seen_as_it_was_before(self, caller: Caller, clock: MockClock):
        caller.remediation_request("rr-1")
        clock.advance(timedelta(seconds=5))
        for phase in ("Pending", "Completed"):
            caller.call("PATCH", f"{RRS}/rr-1/status", {"status": {"overallPhase": phase}})
        (stale,) = caller.call("GET", RRS, resourceVersion="0")["items"]
        assert "overallPhase" not in stale["status"]

    def test_a_successor_of_the_same_name_is_its_predecessor(self, caller: Caller, clock: MockClock):
        first = caller.remediation_request("rr-1")
        clock.advance(timedelta(seconds=5))
        caller.call("DELETE", f"{RRS}/rr-1")
        caller.remediation_request("rr-1")
        (stale,) = caller.call("GET", RRS, resourceVersion="0")["items"]
        assert stale == first

    def test_a_consistent_list_sees_all(self, caller: Caller):
        caller.remediation_request("rr-1")
        assert caller.names(RRS) == ["rr-1"]

    def test_a_list_not_older_than_a_revision_shows_that_revision(self, caller: Caller):
        first = caller.remediation_request("rr-1")["metadata"]["resourceVersion"]
        caller.remediation_request("rr-2")
        assert caller.names(RRS, resourceVersion=first) == ["rr-1"]

    def test_a_get_of_a_revision_never_reached_times_out(self, caller: Caller):
        caller.remediation_request("rr-1")
        assert caller.answer("GET", f"{RRS}/rr-1", resourceVersion="999").status == 504

    def test_a_get_sees_all_unless_it_asks_the_cache(self, caller: Caller):
        caller.remediation_request("rr-1")
        assert caller.answer("GET", f"{RRS}/rr-1").status == 200
        assert caller.answer("GET", f"{RRS}/rr-1", resourceVersion="0").status == 404

    def test_the_revision_of_a_stale_list_is_that_of_its_view(self, caller: Caller):
        seen = caller.call("GET", RRS)["metadata"]["resourceVersion"]
        caller.remediation_request("rr-1")
        assert caller.call("GET", RRS, resourceVersion="0")["metadata"]["resourceVersion"] == seen
        assert caller.call("GET", RRS)["metadata"]["resourceVersion"] > seen

    def test_other_namespaces_lag_alike(self, caller: Caller):
        elsewhere = RRS.replace("/default/", "/kube-system/")
        caller.call("POST", elsewhere, caller.remediation_request("rr-1") | {"metadata": {"name": "rr-2"}}, expect=201)
        assert caller.names(elsewhere, resourceVersion="0") == []
        everywhere = "/apis/remediation.kubernaut.ai/v1alpha1/remediationrequests"
        assert caller.names(everywhere, resourceVersion="0") == []
        assert caller.names(everywhere) == ["rr-1", "rr-2"]


class TestLagInWrites:
    def test_the_last_writes_to_the_kind_are_not_seen(self, api: EmbeddedApi, caller: Caller):
        api.lag = Lag(writes=2)
        for name in ("rr-1", "rr-2", "rr-3"):
            caller.remediation_request(name)
        assert caller.names(RRS, resourceVersion="0") == ["rr-1"]

    def test_writes_to_other_kinds_do_not_count(self, api: EmbeddedApi, caller: Caller):
        api.lag = Lag(writes=1)
        caller.remediation_request("rr-1")
        caller.lease("l-1")
        assert caller.names(RRS, resourceVersion="0") == []
        assert caller.names(LEASES, resourceVersion="0") == []

    def test_the_larger_lag_counts(self, api: EmbeddedApi, caller: Caller, clock: MockClock):
        api.lag = Lag(writes=1, seconds=2)
        caller.remediation_request("rr-1")
        clock.advance(timedelta(seconds=5))
        caller.remediation_request("rr-2")
        caller.remediation_request("rr-3")
        assert caller.names(RRS, resourceVersion="0") == ["rr-1"]

    def test_none_left_shows_all(self, api: EmbeddedApi, caller: Caller):
        caller.remediation_request("rr-1")
        api.lag = Lag(writes=1)
        assert caller.names(RRS, resourceVersion="0") == []
        api.lag = Lag()
        assert api.lag == Lag(seconds=0, writes=0)
        assert caller.names(RRS, resourceVersion="0") == ["rr-1"]
