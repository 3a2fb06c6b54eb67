"""What operators see of the protocol: each wait, takeover and conflict is counted where it happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.kube.resources import LEASES
from core.protocol.lease import lease_name
from core.results import Status
from tests.support.instances import RRS, fingerprint, signal

if TYPE_CHECKING:
    from tests.support.instances import World


async def hold(world: World) -> None:
    """Let a gateway that is gone hold the lock."""
    await world.call(
        "POST",
        LEASES,
        apiVersion="coordination.k8s.io/v1",
        kind="Lease",
        metadata={"name": lease_name(fingerprint())},
        spec={"holderIdentity": "a-dead-instance", "leaseDurationSeconds": 30},
    )


async def test_each_pause_for_anothers_lock_is_counted(world: World):
    await hold(world)
    one = world.instance()
    (result,) = await one.post(signal(), deadline=2)
    assert result.status is Status.FAILED
    tries = one.calls.count("CREATE leases")
    assert one.metric("gateway_lock_waits_total") == tries - 1 >= 2
    assert one.metric("gateway_lock_takeovers_total") == 0


async def test_lock_that_is_taken_over_is_counted(world: World):
    await hold(world)
    world.pass_time(31)
    one = world.instance()
    (result,) = await one.post(signal())
    assert result.status is Status.CREATED
    assert one.metric("gateway_lock_takeovers_total") == 1
    assert one.metric("gateway_lock_waits_total") == 0


async def test_round_that_meets_anothers_write_is_counted(world: World):
    one = world.instance()
    await one.post(signal())
    assert one.metric("gateway_conflicts_total") == 0
    rr = await world.only_rr()
    await world.call("PATCH", RRS, rr["metadata"]["name"], "status", status={"overallPhase": "Processing"})
    (result,) = await one.post(signal())
    assert result.status is Status.DEDUPLICATED
    assert one.metric("gateway_conflicts_total") == 1
    assert one.metric("gateway_round_signals_count") == 2
