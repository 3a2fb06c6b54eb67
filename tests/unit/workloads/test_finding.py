"""The cluster decides which of its candidates a signal is about: the first that exists."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from core.common.memory import NOTHING_SECONDS
from core.errors import SluiceError
from core.signals.signal import Candidate, Lookup, TargetResource
from core.workloads.qualification import as_named
from tests.unit.workloads.objects import Objects, path_of, target

EXPORTER = "node-exporter-8x2zk"


def named(kind: str, name: str, **more: Any) -> Candidate:
    return Candidate(target=target(kind, name), label=kind.lower(), rule="workload", **more)


def if_there(kind: str, name: str) -> Candidate:
    return named(kind, name, must_exist=True)


def node_of(pod: str) -> Candidate:
    return Candidate(target=target("Pod", pod), label="pod", rule="node-exporter", lookup=Lookup.NODE_OF_POD)


def singular(kind: str, name: str, *, namespace: str = "shop", must_exist: bool = False) -> Candidate:
    about = TargetResource(kind=kind, name=name, namespace=namespace)
    return Candidate(target=about, label="target_kind", rule="hint", lookup=Lookup.SINGULAR, must_exist=must_exist)


async def found(objects: Objects, *candidates: Candidate) -> str:
    """Such as `Deployment shop/cart by deployment`; empty where nothing is found."""
    result = await objects.finder.find(candidates, deadline=objects.deadline())
    return f"{result.target} by {result.candidate.label}" if result else ""


class TestChoosing:
    async def test_first_candidate_that_exists_is_the_one(self, objects: Objects):
        objects.add("Deployment", "cart")
        objects.add("Pod", "p")
        assert (
            await found(objects, named("Deployment", "cart"), named("Pod", "p")) == "Deployment shop/cart by deployment"
        )
        assert objects.calls == [path_of("Deployment", "cart")]

    async def test_candidate_that_does_not_exist_is_passed_over(self, objects: Objects):
        objects.add("Pod", "p")
        assert await found(objects, named("Deployment", "gone"), named("Pod", "p")) == "Pod shop/p by pod"

    async def test_where_none_exists_the_first_is_taken_that_does_not_have_to(self, objects: Objects):
        assert (
            await found(objects, if_there("Deployment", "d"), named("Pod", "p"), named("Pod", "q"))
            == "Pod shop/p by pod"
        )

    async def test_where_all_would_have_to_exist_there_is_none(self, objects: Objects):
        assert await found(objects, if_there("Pod", "p")) == ""
        assert await found(objects) == ""

    async def test_single_candidate_needs_no_call(self, objects: Objects):
        assert await found(objects, named("Pod", "p")) == "Pod shop/p by pod"
        assert objects.calls == []

    async def test_look_that_fails_is_an_error_and_never_the_next_candidate(self, objects: Objects):
        objects.refuse(path_of("Deployment", "cart"), 503)
        objects.add("Pod", "p")
        with pytest.raises(SluiceError):
            await found(objects, named("Deployment", "cart"), named("Pod", "p"))

    async def test_what_was_found_costs_nothing_again_and_what_was_not_half_a_minute(self, objects: Objects):
        objects.add("Pod", "p")
        candidates = (named("Deployment", "gone"), named("Pod", "p"))
        for _ in range(3):
            await found(objects, *candidates)
        assert objects.calls == [path_of("Deployment", "gone"), path_of("Pod", "p")]
        objects.clock.advance(timedelta(seconds=31))
        await found(objects, *candidates)
        assert objects.calls[2:] == [path_of("Deployment", "gone")]

    async def test_many_at_once_ask_once(self, objects: Objects):
        objects.add("Pod", "p")
        objects.hold = asyncio.Event()
        asked = [asyncio.ensure_future(found(objects, if_there("Pod", "p"))) for _ in range(20)]
        await asyncio.sleep(0)
        objects.hold.set()
        assert set(await asyncio.gather(*asked)) == {"Pod shop/p by pod"}
        assert len(objects.calls) == 1


class TestNodes:
    async def test_exporters_alert_is_about_the_node_that_its_pod_runs_on(self, objects: Objects):
        objects.add("Pod", EXPORTER, node="worker-1")
        objects.add("Node", "worker-1")
        for _ in range(2):
            assert await found(objects, node_of(EXPORTER)) == "Node worker-1 by pod"
        assert objects.calls == [path_of("Pod", EXPORTER), path_of("Node", "worker-1")]

    async def test_or_about_the_node_that_its_instance_names(self, objects: Objects):
        objects.add("Node", "worker-1")
        assert await found(objects, node_of(EXPORTER), if_there("Node", "worker-1")) == "Node worker-1 by node"

    @pytest.mark.parametrize("node", ["", "gone"])
    async def test_pod_that_runs_nowhere_leads_to_nothing(self, objects: Objects, node: str):
        objects.add("Pod", EXPORTER, node=node)
        candidate = Candidate(
            target=target("Pod", EXPORTER), label="pod", rule="r", lookup=Lookup.NODE_OF_POD, must_exist=True
        )
        assert await found(objects, candidate) == ""


class TestSingularNames:
    @pytest.mark.parametrize(("kind", "expected"), [("deployment", "Deployment"), ("cronjob", "CronJob")])
    async def test_built_in_kind_needs_no_discovery(self, objects: Objects, kind: str, expected: str):
        objects.add(expected, "cart")
        assert await found(objects, singular(kind, "cart")) == f"{expected} shop/cart by target_kind"
        assert objects.calls == [path_of(expected, "cart")]

    async def test_node_has_no_namespace(self, objects: Objects):
        objects.add("Node", "n1")
        assert await found(objects, singular("node", "n1")) == "Node n1 by target_kind"

    @pytest.mark.parametrize("aggregated", [True, False])
    async def test_any_kind_that_is_served_is_found_by_discovery_which_is_remembered(
        self, objects: Objects, aggregated: bool
    ):
        objects.serve_all("Rollout", aggregated=aggregated)
        objects.add("Rollout", "cart")
        assert await found(objects, singular("rollout", "cart")) == "Rollout shop/cart by target_kind"
        before = len(objects.calls)
        assert await found(objects, singular("nonsense", "cart")) == ""
        assert await found(objects, singular("rollout", "cart")) == "Rollout shop/cart by target_kind"
        assert len(objects.calls) == before

    async def test_cluster_scoped_kind_has_no_namespace_and_any_other_needs_one(self, objects: Objects):
        objects.serve_all("Fleet", "Rollout", namespaced=("Rollout",))
        objects.add("Fleet", "eu")
        assert await found(objects, singular("fleet", "eu")) == "Fleet eu by target_kind"
        assert await found(objects, singular("rollout", "cart", namespace="")) == ""

    async def test_kind_that_no_rule_lets_us_read_counts_as_there_where_nothing_else_is(self, objects: Objects):
        objects.serve_all("Rollout")
        objects.refuse(path_of("Rollout", "cart"), 403)
        assert await found(objects, singular("rollout", "cart", must_exist=True)) == "Rollout shop/cart by target_kind"
        objects.add("Pod", "p")
        assert (
            await found(objects, singular("rollout", "cart", must_exist=True), if_there("Pod", "p"))
            == "Pod shop/p by pod"
        )

    async def test_object_is_found_as_soon_as_its_kind_is_known_to_be_served(self, objects: Objects):
        """What is remembered of a kind and of an object does not add up."""
        cart, web = if_there("Rollout", "cart"), if_there("Rollout", "web")
        assert await found(objects, cart) == ""
        objects.clock.advance(timedelta(seconds=NOTHING_SECONDS - 1))
        assert await found(objects, web) == ""
        objects.serve("Rollout")
        objects.add("Rollout", "web")
        objects.clock.advance(timedelta(seconds=2))
        assert await found(objects, web) == "Rollout shop/web by rollout"

    async def test_discovery_that_fails_is_an_error(self, objects: Objects):
        objects.serve_all("Rollout")
        objects.refuse("/apis", 503)
        with pytest.raises(SluiceError):
            await found(objects, singular("rollout", "cart"))

    async def test_aggregated_server_that_is_down_hides_no_other_kind(self, objects: Objects):
        objects.serve_all("Rollout", "Fleet", aggregated=False)
        objects.refuse("/apis/example.com/v1", 503)
        objects.add("Rollout", "cart")
        assert await found(objects, singular("rollout", "cart")) == "Rollout shop/cart by target_kind"


class TestWithoutLookups:
    def test_first_candidate_that_does_not_have_to_exist_is_taken(self):
        chosen = as_named([if_there("Pod", "p"), node_of(EXPORTER), named("Deployment", "d"), named("Pod", "q")])
        assert str(chosen and chosen.target) == "Deployment shop/d"

    def test_singular_names_of_built_in_kinds_are_known(self):
        chosen = as_named([singular("rollout", "r"), singular("statefulset", "s")])
        assert chosen is not None
        assert (str(chosen.target), chosen.target.api_version) == ("StatefulSet shop/s", "apps/v1")

    def test_where_the_cluster_would_have_to_decide_there_is_none(self):
        assert as_named([if_there("Pod", "p"), node_of(EXPORTER), singular("node", "n", must_exist=True)]) is None
