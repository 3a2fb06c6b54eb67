"""A silence by annotation holds signals back, and lets them go when it is lifted, on both servers by the same calls."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from core.common.text import rfc3339
from core.results import Status
from core.workloads.ownership import SILENCED_UNTIL
from core.workloads.scope import REFUSAL_SECONDS
from tests.contract.gateways import NEW
from tests.contract.test_owners import SCOPE, Namespace, made

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.contract.client import Client
    from tests.contract.gateways import Instance

    Start = Callable[..., Instance]

LOOKED_UP = ["GET pods", "GET replicasets", "GET deployments"]
POD = "web-6f7d8c9b5d-x2k4q"


@pytest.fixture
async def shop(api: Client) -> Namespace:
    shop = await made(api, f"shop-{uuid4().hex[:10]}")
    await shop.deployment()
    return shop


def in_an_hour() -> str:
    return rfc3339((datetime.now(UTC) + timedelta(hours=1)).replace(microsecond=0))


async def annotate(shop: Namespace, path: str, moment: str | None) -> None:
    body = {"metadata": {"annotations": {SILENCED_UNTIL: moment}}}
    patched = await shop.api.patch(path, body)
    assert patched.status == 200, patched.body


def deployment(shop: Namespace) -> str:
    return f"/apis/apps/v1/namespaces/{shop.name}/deployments/web"


async def test_silenced_owner_holds_its_pods_signals_back_for_no_call_more(start: Start, shop: Namespace):
    moment = in_an_hour()
    await annotate(shop, deployment(shop), moment)
    one = start(owners="resolve")
    (held,) = await one.post(shop.on("Pod", POD))
    assert (held.status, held.reason, held.silenced_until) == (Status.REJECTED, "silenced", moment)
    assert held.fingerprint == shop.fingerprint("Deployment", "web")
    assert f"Deployment {shop.name}/web" in held.error
    assert f"kubectl annotate -n {shop.name} deployment web {SILENCED_UNTIL}-" in held.error
    assert one.calls == LOOKED_UP


async def test_silence_that_is_lifted_lets_the_next_signal_through(start: Start, shop: Namespace):
    await annotate(shop, deployment(shop), in_an_hour())
    one = start(owners="resolve", owner_cache=0)
    (held,) = await one.post(shop.on("Pod", POD))
    assert held.reason == "silenced"
    await annotate(shop, deployment(shop), None)
    one.clock.go_on(REFUSAL_SECONDS)
    one.calls.clear()
    (created,) = await one.post(shop.on("Pod", POD))
    assert created.status is Status.CREATED
    assert one.calls == [*LOOKED_UP, *NEW]


async def test_new_silence_holds_where_the_object_is_read_anew(start: Start, shop: Namespace):
    one = start(owners="resolve")
    (created,) = await one.post(shop.on("Pod", POD))
    assert created.status is Status.CREATED
    await annotate(shop, f"/api/v1/namespaces/{shop.name}/pods/{POD}", in_an_hour())
    one.calls.clear()
    (repeat,) = await one.post(shop.on("Pod", POD))
    assert (repeat.status, one.calls) == (Status.DEDUPLICATED, ["PATCH remediationrequests/status"]), "as remembered"
    (held,) = await start(owners="resolve").post(shop.on("Pod", POD))
    assert (held.status, held.reason) == (Status.REJECTED, "silenced")


@pytest.mark.parametrize("moment", ["2020-01-01T00:00:00Z", "tomorrow"])
async def test_time_that_has_passed_and_what_is_none_hold_nothing(start: Start, shop: Namespace, moment: str):
    await annotate(shop, deployment(shop), moment)
    one = start(owners="resolve")
    (created,) = await one.post(shop.on("Pod", POD))
    assert created.status is Status.CREATED
    assert one.calls == [*LOOKED_UP, *NEW]


async def test_namespace_counts_with_a_scope_label_and_without_one_is_not_read(start: Start, shop: Namespace):
    namespace = f"/api/v1/namespaces/{shop.name}"
    await annotate(shop, namespace, in_an_hour())
    labelled = await shop.api.patch(namespace, {"metadata": {"labels": {"kubernaut.ai/managed": "true"}}})
    assert labelled.status == 200
    scoped = start(owners="resolve", scope_label=SCOPE)
    (held,) = await scoped.post(shop.on("Pod", POD))
    assert (held.status, held.reason) == (Status.REJECTED, "silenced")
    assert scoped.calls == [*LOOKED_UP, "GET namespaces"]
    plain = start(owners="resolve")
    (created,) = await plain.post(shop.on("Pod", POD))
    assert created.status is Status.CREATED
    assert plain.calls == [*LOOKED_UP, *NEW]
