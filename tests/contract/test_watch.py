from typing import Any

import pytest

from tests.contract.client import Client
from tests.contract.objects import FINGERPRINT, failure, lease, remediation_request


def told(events: list[Any]) -> list[tuple[str, str]]:
    return [(event["type"], event["object"]["metadata"]["name"]) for event in events]


class TestWatch:
    async def test_begins_with_what_there_is(self, api: Client, rrs: str, made: Any):
        assert await api.watch(rrs, events=1) == [{"type": "ADDED", "object": made}]

    async def test_tells_the_end_of_what_there_is_to_who_asks(self, api: Client, rrs: str, made: Any):
        asked = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
        first, end = await api.watch(rrs, events=2, **asked)
        assert first == {"type": "ADDED", "object": made}
        assert (end["type"], end["object"]["kind"]) == ("BOOKMARK", made["kind"])
        assert end["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        assert end["object"]["metadata"]["resourceVersion"] >= made["metadata"]["resourceVersion"]

    async def test_goes_on_from_a_revision(self, api: Client, rrs: str, made: Any):
        since = made["metadata"]["resourceVersion"]
        await api.post(rrs, remediation_request("rr-2"))
        pending = (await api.patch(f"{rrs}/rr-1/status", {"status": {"overallPhase": "Pending"}})).body
        await api.delete(f"{rrs}/rr-2")
        events = await api.watch(rrs, events=3, resourceVersion=since)
        assert told(events) == [("ADDED", "rr-2"), ("MODIFIED", "rr-1"), ("DELETED", "rr-2")]
        assert events[1]["object"] == pending
        versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
        assert versions == sorted(set(versions))

    async def test_items_of_built_in_kinds_name_their_kind(self, api: Client, leases: str):
        made = (await api.post(leases, lease("l"))).body
        assert await api.watch(leases, events=1) == [{"type": "ADDED", "object": made}]

    async def test_shows_what_a_selector_lets_through(self, api: Client, rrs: str, made: Any):
        since = made["metadata"]["resourceVersion"]
        await api.post(rrs, remediation_request("rr-2", signalFingerprint="b" * 64))
        await api.post(rrs, remediation_request("rr-3"))
        events = await api.watch(
            rrs, events=1, resourceVersion=since, fieldSelector=f"spec.signalFingerprint={FINGERPRINT}"
        )
        assert told(events) == [("ADDED", "rr-3")]

    async def test_what_leaves_the_selection_is_deleted_from_it(self, api: Client, rrs: str, made: Any):
        since = made["metadata"]["resourceVersion"]
        for label in ("a", "b", "a"):
            await api.patch(f"{rrs}/rr-1", {"metadata": {"labels": {"tier": label}}})
        events = await api.watch(rrs, events=3, resourceVersion=since, labelSelector="tier=a")
        assert told(events) == [("ADDED", "rr-1"), ("DELETED", "rr-1"), ("ADDED", "rr-1")]

    async def test_stays_in_its_namespace(self, api: Client, leases: str, namespace: str):
        before = (await api.post(leases, lease("l"))).body["metadata"]["resourceVersion"]
        elsewhere = leases.replace(namespace, "default")
        await api.post(elsewhere, lease(namespace))
        await api.delete(f"{elsewhere}/{namespace}")
        assert await api.watch(leases, events=0, resourceVersion=before) == []

    async def test_of_a_field_that_is_not_selectable_is_refused(self, api: Client, rrs: str):
        reply = await api.get(rrs, watch="true", timeoutSeconds="1", fieldSelector="spec.signalName=a")
        assert reply.body == failure(400, "BadRequest", "field label not supported: spec.signalName")

    @pytest.mark.parametrize("watch", ["1", "true"])
    async def test_both_ways_to_ask(self, api: Client, rrs: str, made: Any, watch: str):
        selector = "metadata.name=none"
        reply = await api.get(rrs, watch=watch, timeoutSeconds="1", fieldSelector=selector)
        assert (reply.status, reply.body) == (200, "")
