"""In scope is what carries the label; the nearest carrier decides."""

from datetime import timedelta

import pytest

from core.kube.errors import ServerError
from core.workloads.scope import SCOPE_SECONDS, Scope
from tests.unit.workloads.objects import Objects, path_of

KEY = "kubernaut.ai/managed"
LABEL = f"{KEY}=true"


async def test_nothing_labelled_is_out_and_the_reason_names_all_that_were_asked(shop: Objects):
    assert await shop.refusal("Pod", "p", label=LABEL) == (
        "none of Pod shop/p, Deployment shop/d, Namespace shop has the label kubernaut.ai/managed=true"
    )


async def test_labelled_namespace_takes_all_in_it(shop: Objects):
    shop.add("Namespace", "shop", labels={KEY: "true"})
    assert await shop.refusal("Pod", "p", label=LABEL) == ""


async def test_labelled_owner_takes_its_pods(shop: Objects):
    shop.add("Deployment", "d", labels={KEY: "true"})
    assert await shop.refusal("Pod", "p", label=LABEL) == ""
    assert path_of("Namespace", "shop") not in shop.calls


async def test_object_decides_before_its_namespace(shop: Objects):
    shop.add("Namespace", "shop", labels={KEY: "true"})
    shop.add("Deployment", "d", labels={KEY: "false"})
    assert await shop.refusal("Pod", "p", label=LABEL) == "Deployment shop/d has the label kubernaut.ai/managed=false"


@pytest.mark.parametrize(("value", "is_in"), [("true", True), ("yes", True), ("", True), ("false", False)])
async def test_key_alone_takes_any_value_but_false(shop: Objects, value: str, is_in: bool):
    shop.add("Pod", "p", labels={KEY: value})
    assert (await shop.refusal("Pod", "p", label=KEY) == "") is is_in


async def test_node_has_no_namespace_to_ask(objects: Objects):
    objects.add("Node", "n1")
    assert await objects.refusal("Node", "n1", label=LABEL) == "none of Node n1 has the label kubernaut.ai/managed=true"
    objects.clock.advance(timedelta(seconds=SCOPE_SECONDS + 1))
    objects.add("Node", "n1", labels={KEY: "true"})
    assert await objects.refusal("Node", "n1", label=LABEL) == ""


async def test_object_that_is_gone_is_judged_by_its_namespace(objects: Objects):
    objects.add("Namespace", "shop", labels={KEY: "true"})
    assert await objects.refusal("Pod", "gone", label=LABEL) == ""


async def test_look_that_fails_for_a_moment_is_an_error(shop: Objects):
    shop.refuse(path_of("Namespace", "shop"), 503)
    with pytest.raises(ServerError):
        await shop.refusal("Pod", "p", label=LABEL)


async def test_label_that_lets_in_is_believed_for_a_minute(shop: Objects):
    shop.add("Namespace", "shop", labels={KEY: "true"})
    assert await shop.refusal("Pod", "p", label=LABEL) == ""
    shop.add("Namespace", "shop", labels={KEY: "false"})
    before = len(shop.calls)
    shop.clock.advance(timedelta(seconds=SCOPE_SECONDS - 1))
    assert await shop.refusal("Pod", "p", label=LABEL) == ""
    assert len(shop.calls) == before
    shop.clock.advance(timedelta(seconds=2))
    assert await shop.refusal("Pod", "p", label=LABEL)


@pytest.mark.parametrize("earlier", [{}, {KEY: "false"}])
async def test_namespace_that_was_labelled_after_a_refusal_is_in_scope_at_once(shop: Objects, earlier: dict[str, str]):
    shop.add("Namespace", "shop", labels=earlier)
    assert await shop.refusal("Pod", "p", label=LABEL)
    shop.add("Namespace", "shop", labels={KEY: "true"})
    shop.clock.advance(timedelta(milliseconds=1))
    assert await shop.refusal("Pod", "p", label=LABEL) == ""


async def test_flood_from_outside_the_scope_costs_no_call_for_each_alert(shop: Objects):
    await shop.refusal("Pod", "p", label=LABEL)
    before = len(shop.calls)
    for _ in range(100):
        assert await shop.refusal("Pod", "p", label=LABEL)
    assert len(shop.calls) == before


async def test_alerts_of_one_request_are_refused_by_what_was_read_for_the_first_of_them(shop: Objects):
    scope = Scope(label=LABEL, reader=shop.reader)
    deadline = shop.deadline()
    lineage = await shop.resolve("Pod", "p")
    assert await scope.refusal(lineage, deadline=deadline)
    before = len(shop.calls)
    shop.clock.advance(timedelta(milliseconds=900))
    assert await scope.refusal(lineage, deadline=deadline)
    assert len(shop.calls) == before


async def test_node_is_known_by_its_name_where_a_kubelet_gives_that_for_a_uid(objects: Objects):
    objects.add("Node", "n1", labels={KEY: "true"})
    scope = Scope(label=LABEL, reader=objects.reader)
    lineage = await objects.resolve("Node", "n1", uid="n1")
    assert await scope.refusal(lineage, deadline=objects.deadline()) == ""


async def test_object_that_was_made_anew_does_not_lend_its_label_to_the_one_that_is_gone(shop: Objects):
    shop.add("Pod", "p", labels={KEY: "true"})
    scope = Scope(label=LABEL, reader=shop.reader)
    lineage = await shop.resolve("Pod", "p", uid="of-the-past")
    assert "none of Pod shop/p" in await scope.refusal(lineage, deadline=shop.deadline())
