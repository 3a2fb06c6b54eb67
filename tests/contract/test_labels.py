"""RRs are listed by their labels on both servers, whatever a sender wrote for a severity."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from core.results import Status
from core.signals.signal import TargetResource, fingerprint_of
from tests.support.instances import signal

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.signals.signal import NormalizedSignal
    from tests.contract.client import Client
    from tests.contract.gateways import Instance

    Start = Callable[..., Instance]

GROUP = "sluice.kubernaut.ai"


def about(name: str, *, severity: str = "critical") -> NormalizedSignal:
    target = TargetResource(kind="Pod", name=name, namespace="shop")
    return dataclasses.replace(signal(), target=target, fingerprint=fingerprint_of(target), severity=severity)


async def listed(api: Client, rrs: str, selector: str) -> list[str]:
    found = await api.get(rrs, labelSelector=selector)
    assert found.status == 200, found.body
    return [item["spec"]["targetResource"]["name"] for item in found.body["items"]]


@pytest.mark.parametrize(
    ("severity", "label"),
    [
        ("critical", "critical"),
        ("P1 (page!)", "P1__page"),
        ("-" * 50, None),
        ("\u00e9" * 25, None),
        ("a\nb", "a_b"),
        ("../../etc", "etc"),
        ("x=y,z!=w", "x_y_z__w"),
        ("_" + "s" * 49, "s" * 49),
    ],
)
async def test_hostile_severity_is_stored_and_selected(
    start: Start, api: Client, rrs: str, severity: str, label: str | None
):
    (created,) = await start().post(about("web", severity=severity))
    assert created.status is Status.CREATED, created.error
    selector = f"{GROUP}/severity={label}" if label else f"!{GROUP}/severity"
    assert await listed(api, rrs, selector) == ["web"]


async def test_rrs_of_a_kind_a_namespace_or_a_problem_are_listed(start: Start, api: Client, rrs: str):
    one = start()
    for name in ("web", "db"):
        (created,) = await one.post(about(name))
        assert created.status is Status.CREATED
    shop = f"{GROUP}/target-namespace=shop,{GROUP}/target-kind=Pod,{GROUP}/signal-type=prometheus-alert"
    assert sorted(await listed(api, rrs, shop)) == ["db", "web"]
    assert await listed(api, rrs, f"{GROUP}/target-namespace=other") == []
    digits = created.rr_name.split("-")[1]
    assert await listed(api, rrs, f"{GROUP}/fingerprint={digits}") == ["db"]
