"""A signal's workload is the top of its controllers, and never another one because a lookup failed."""

import asyncio
from datetime import timedelta

import pytest

from core.errors import SluiceError
from core.kube.errors import ForbiddenError, ServerError, UnreadableAnswerError
from tests.unit.workloads.objects import METADATA_ONLY, Objects, path_of

_HOUR, _HALF_A_MINUTE = timedelta(hours=1), timedelta(seconds=31)
POD, SET = "cart-6f7d8c9b5d-x2k4q", "cart-6f7d8c9b5d"


@pytest.fixture
def deployed(objects: Objects) -> Objects:
    """A Deployment with one Pod."""
    objects.add("Pod", POD, owner=("ReplicaSet", SET))
    objects.add("ReplicaSet", SET, owner=("Deployment", "cart"))
    objects.add("Deployment", "cart")
    return objects


class TestClimbing:
    async def test_pod_belongs_to_its_deployment(self, deployed: Objects):
        assert await deployed.top("Pod", POD) == "Deployment/cart"
        assert deployed.calls == [path_of("Pod", POD), path_of("ReplicaSet", SET), path_of("Deployment", "cart")]
        assert deployed.accepted == {METADATA_ONLY}

    @pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet", "Deployment"])
    async def test_pod_belongs_to_the_workload_that_controls_it(self, objects: Objects, kind: str):
        objects.add("Pod", "p", owner=(kind, "w"))
        objects.add(kind, "w")
        assert await objects.top("Pod", "p") == f"{kind}/w"

    async def test_job_belongs_to_its_cron_job(self, objects: Objects):
        objects.add("Pod", "backup-29000000-abcde", owner=("Job", "backup-29000000"))
        objects.add("Job", "backup-29000000", owner=("CronJob", "backup"))
        objects.add("CronJob", "backup")
        assert await objects.top("Pod", "backup-29000000-abcde") == "CronJob/backup"

    async def test_custom_owner_is_found_by_discovery(self, objects: Objects):
        objects.serve("Rollout")
        objects.add("ReplicaSet", SET, owner=("Rollout", "cart"))
        objects.add("Rollout", "cart")
        assert await objects.top("ReplicaSet", SET) == "Rollout/cart"
        assert objects.calls[1:] == ["/apis/argoproj.io/v1alpha1", path_of("Rollout", "cart")]

    async def test_discovery_is_asked_once_for_all_objects_of_a_kind(self, objects: Objects):
        objects.serve("Rollout")
        for name in ("a", "b"):
            objects.add("ReplicaSet", name, owner=("Rollout", f"r-{name}"))
            objects.add("Rollout", f"r-{name}")
            assert await objects.top("ReplicaSet", name) == f"Rollout/r-{name}"
        assert objects.calls.count("/apis/argoproj.io/v1alpha1") == 1

    async def test_cluster_scoped_owner_is_read_without_a_namespace(self, objects: Objects):
        objects.serve("Fleet", namespaced=False)
        objects.add("Deployment", "cart", owner=("Fleet", "eu"))
        objects.add("Fleet", "eu")
        assert await objects.top("Deployment", "cart") == "Fleet/eu"
        assert objects.calls[-1] == path_of("Fleet", "eu")

    async def test_static_pod_is_no_part_of_its_node(self, objects: Objects):
        objects.add("Pod", "kube-apiserver-n1", owner=("Node", "n1"))
        assert await objects.top("Pod", "kube-apiserver-n1") == "Pod/kube-apiserver-n1"

    async def test_node_is_not_looked_up(self, objects: Objects):
        assert await objects.top("Node", "n1") == "Node/n1"
        assert objects.calls == []

    async def test_five_levels_are_climbed_and_no_more(self, objects: Objects):
        for level in range(9):
            objects.add("Deployment", f"d{level}", owner=("Deployment", f"d{level + 1}"))
        assert await objects.top("Deployment", "d0") == "Deployment/d5"
        assert len(objects.calls) == 6  # the fifth owner must exist

    @pytest.mark.parametrize("entry", ["a", "b", "c"])
    async def test_circle_has_the_same_top_wherever_it_is_entered(self, objects: Objects, entry: str):
        for name, owner in (("a", "b"), ("b", "c"), ("c", "a")):
            objects.add("Deployment", name, owner=("Deployment", owner))
        assert await objects.top("Deployment", entry) == "Deployment/a"


class TestWhatCannotBeRead:
    async def test_custom_owner_without_a_rule_is_the_top(self, objects: Objects):
        objects.add("ReplicaSet", SET, owner=("Rollout", "cart"))
        objects.serve("Rollout")
        objects.refuse(path_of("Rollout", "cart"), 403)
        assert await objects.top("ReplicaSet", SET) == "Rollout/cart"
        before = len(objects.calls)
        assert await objects.top("ReplicaSet", SET) == "Rollout/cart"
        assert len(objects.calls) == before

    async def test_missing_rule_for_a_built_in_kind_is_an_error(self, deployed: Objects):
        deployed.refuse(path_of("ReplicaSet", SET), 403)
        with pytest.raises(ForbiddenError):
            await deployed.resolve("Pod", POD)

    @pytest.mark.parametrize("path", [path_of("Pod", POD), path_of("ReplicaSet", SET), path_of("Deployment", "cart")])
    @pytest.mark.parametrize("status", [429, 500, 503, 504])
    async def test_lookup_that_fails_for_a_moment_is_an_error_and_then_the_same_workload(
        self, deployed: Objects, path: str, status: int
    ):
        good = deployed.answers[path]
        deployed.refuse(path, status)
        with pytest.raises(SluiceError):
            await deployed.resolve("Pod", POD)
        deployed.answers[path] = good
        assert await deployed.top("Pod", POD) == "Deployment/cart"

    async def test_discovery_that_fails_for_a_moment_is_an_error(self, objects: Objects):
        objects.add("ReplicaSet", SET, owner=("Rollout", "cart"))
        objects.refuse("/apis/argoproj.io/v1alpha1", 503)
        with pytest.raises(ServerError):
            await objects.resolve("ReplicaSet", SET)
        objects.serve("Rollout")
        objects.add("Rollout", "cart", owner=("Deployment", "d"))
        objects.add("Deployment", "d")
        assert await objects.top("ReplicaSet", SET) == "Deployment/d"


class TestVanishedObjects:
    @pytest.mark.parametrize(
        ("gone", "there", "calls"),
        [
            (("Pod", POD), ("ReplicaSet", SET), 2),
            (("Pod", POD), ("Deployment", "cart"), 3),
            (("Pod", "cart-0"), ("StatefulSet", "cart"), 2),
            (("Pod", "agent-x2k4q"), ("DaemonSet", "agent"), 3),
            (("Pod", "migrate-x2k4q"), ("Job", "migrate"), 4),
            (("Pod", "backup-29000000-x2k4q"), ("CronJob", "backup"), 5),
            (("Pod", "sweep-3-x2k4q"), ("Job", "sweep"), 5),
            (("ReplicaSet", SET), ("Deployment", "cart"), 2),
            (("Job", "backup-29000000"), ("CronJob", "backup"), 2),
        ],
    )
    async def test_parent_that_its_name_points_to_stands_for_it(
        self, objects: Objects, gone: tuple[str, str], there: tuple[str, str], calls: int
    ):
        objects.add(*there)
        assert await objects.top(*gone) == "/".join(there)
        assert len(objects.calls) - 1 <= calls
        assert objects.outcomes()[gone[0], "vanished"] == 1

    @pytest.mark.parametrize("name", [POD, "cart-0", "cart", "cart-aeiou", "x"])
    async def test_without_such_a_parent_it_stays_as_it_is_named(self, objects: Objects, name: str):
        assert await objects.top("Pod", name) == f"Pod/{name}"

    async def test_pod_of_a_rollout_that_is_gone_still_belongs_to_it(self, deployed: Objects):
        await deployed.resolve("Pod", POD)
        del deployed.answers[path_of("Pod", POD)]
        deployed.clock.advance(_HOUR)
        assert await deployed.top("Pod", POD) == "Deployment/cart"

    async def test_pod_that_follows_its_replica_set_into_deletion_still_belongs_to_the_deployment(
        self, deployed: Objects
    ):
        del deployed.answers[path_of("ReplicaSet", SET)]
        deployed.add("Pod", POD, owner=("ReplicaSet", SET), being_deleted=True)
        assert await deployed.top("Pod", POD) == "Deployment/cart"

    async def test_failing_look_at_a_likely_parent_is_an_error(self, objects: Objects):
        objects.refuse(path_of("ReplicaSet", SET), 503)
        with pytest.raises(ServerError):
            await objects.resolve("Pod", POD)


class TestRemembering:
    async def test_repeat_costs_nothing(self, deployed: Objects):
        await deployed.resolve("Pod", POD)
        deployed.calls.clear()
        await deployed.resolve("Pod", POD)
        assert deployed.calls == []

    async def test_further_pods_cost_one_call_each(self, deployed: Objects):
        await deployed.resolve("Pod", POD)
        deployed.calls.clear()
        for number in range(5):
            deployed.add("Pod", f"{SET}-b{number}", owner=("ReplicaSet", SET))
            await deployed.resolve("Pod", f"{SET}-b{number}")
        assert deployed.calls == [path_of("Pod", f"{SET}-b{number}") for number in range(5)]

    async def test_many_at_once_look_each_object_up_once(self, deployed: Objects):
        deployed.hold = asyncio.Event()
        asked = [asyncio.ensure_future(deployed.top("Pod", POD)) for _ in range(20)]
        await asyncio.sleep(0)
        deployed.hold.set()
        assert set(await asyncio.gather(*asked)) == {"Deployment/cart"}
        assert len(deployed.calls) == 3

    async def test_workload_that_appears_is_seen_half_a_minute_later(self, objects: Objects):
        assert await objects.top("Pod", "cart-0") == "Pod/cart-0"
        objects.add("StatefulSet", "cart")
        objects.clock.advance(_HALF_A_MINUTE)
        assert await objects.top("Pod", "cart-0") == "StatefulSet/cart"


class TestWhatASenderSays:
    """Nothing that one sender says is remembered for another, and an owner counts only if it exists."""

    async def test_uid_of_another_pod_changes_nothing_for_that_pod(self, deployed: Objects):
        deployed.add("Pod", "evil", owner=("StatefulSet", "trap"))
        deployed.add("StatefulSet", "trap")
        victim = {"uid": f"uid-{POD}"}
        assert (await deployed.resolve("Pod", "evil", **victim)).top.name == "evil"
        assert (await deployed.resolve("Pod", POD, **victim)).top.name == "cart"

    async def test_two_objects_with_one_uid_are_two(self, objects: Objects):
        for name in ("a", "b"):
            objects.add("Pod", name, owner=("StatefulSet", f"of-{name}"), uid="same")
            objects.add("StatefulSet", f"of-{name}")
        assert (await objects.resolve("Pod", "a", uid="same")).top.name == "of-a"
        assert (await objects.resolve("Pod", "b", uid="same")).top.name == "of-b"

    async def test_reference_with_a_victims_uid_neither_takes_the_victims_alerts_nor_joins_them(
        self, deployed: Objects
    ):
        deployed.add("ReplicaSet", "trap", owner=("Deployment", "evil"))
        deployed.add("Deployment", "evil")
        deployed.add("Pod", "forged", owner=("ReplicaSet", "trap"), owner_uid=f"uid-{SET}")
        assert await deployed.top("Pod", "forged") == "Pod/forged"
        assert await deployed.top("Pod", POD) == "Deployment/cart"
        assert await deployed.top("ReplicaSet", "trap") == "Deployment/evil"

    async def test_reference_by_a_victims_name_with_another_uid_does_not_join_its_alerts(self, deployed: Objects):
        deployed.add("Pod", "forged", owner=("ReplicaSet", SET), owner_uid="made-up")
        assert await deployed.top("Pod", "forged") == "Pod/forged"

    @pytest.mark.parametrize("owner", [("ReplicaSet", "cart-aaaaa"), ("Deployment", "gone"), ("Rollout", "not-served")])
    async def test_owner_that_does_not_exist_does_not_count(self, deployed: Objects, owner: tuple[str, str]):
        deployed.add("Pod", "forged", owner=owner)
        assert await deployed.top("Pod", "forged") == "Pod/forged"

    @pytest.mark.parametrize("version", ["apps/v1beta1", ""])
    async def test_object_is_read_once_whatever_version_of_its_kind_is_named(self, objects: Objects, version: str):
        objects.add("Deployment", "cart")
        for each in ("apps/v1", version):
            assert len((await objects.resolve("Deployment", "cart", api_version=each)).members) == 1
        assert objects.calls == [path_of("Deployment", "cart")]

    async def test_object_of_another_uid_is_not_the_one_that_is_meant(self, objects: Objects):
        objects.add("Pod", "web-0", owner=("StatefulSet", "other"))
        objects.add("StatefulSet", "other")
        objects.add("StatefulSet", "web")
        assert (await objects.resolve("Pod", "web-0", uid="of-the-past")).top.name == "web"
        assert objects.outcomes()["Pod", "vanished"] == 1

    async def test_pod_made_anew_under_its_name_is_read_anew_for_its_uid(self, objects: Objects):
        objects.add("Pod", "web-0", owner=("StatefulSet", "old"), uid="1")
        objects.add("StatefulSet", "old")
        objects.add("StatefulSet", "new")
        assert (await objects.resolve("Pod", "web-0", uid="1")).top.name == "old"
        objects.add("Pod", "web-0", owner=("StatefulSet", "new"), uid="2")
        objects.clock.advance(_HALF_A_MINUTE)
        assert (await objects.resolve("Pod", "web-0", uid="2")).top.name == "new"

    async def test_uids_of_the_past_cost_one_look_in_half_a_minute(self, deployed: Objects):
        for number in range(20):
            await deployed.resolve("Pod", POD, uid=f"past-{number}")
        assert deployed.calls.count(path_of("Pod", POD)) == 1
        deployed.clock.advance(_HALF_A_MINUTE)
        for number in range(20):
            await deployed.resolve("Pod", POD, uid=f"past-{number}")
        assert deployed.calls.count(path_of("Pod", POD)) == 2

    async def test_workload_and_its_pod_made_anew_are_seen_together(self, objects: Objects):
        objects.add("Pod", "db-0", owner=("StatefulSet", "db"), owner_uid="1")
        objects.add("StatefulSet", "db", uid="1")
        assert await objects.top("Pod", "db-0") == "StatefulSet/db"
        objects.add("Pod", "db-0", owner=("StatefulSet", "db"), owner_uid="2")
        objects.add("StatefulSet", "db", uid="2")
        objects.clock.advance(_HALF_A_MINUTE)
        await objects.resolve("StatefulSet", "db", uid="2")
        objects.add("Pod", "db-1", owner=("StatefulSet", "db"), owner_uid="2")
        assert await objects.top("Pod", "db-1") == "StatefulSet/db"  # the workload is remembered anew, the pod is not
        assert await objects.top("Pod", "db-0") == "StatefulSet/db"

    async def test_static_pod_is_known_by_the_uid_that_its_kubelet_gives_it(self, objects: Objects):
        hashed = "0123456789abcdef"
        objects.add("Pod", "web-0", owner=("StatefulSet", "other"), annotations={"kubernetes.io/config.mirror": hashed})
        objects.add("StatefulSet", "other")
        objects.add("StatefulSet", "web")
        assert (await objects.resolve("Pod", "web-0", uid=hashed)).top.name == "other"

    async def test_answer_about_another_object_is_not_believed(self, objects: Objects):
        objects.add("Pod", "b")
        objects.answers[path_of("Pod", "a")] = objects.answers[path_of("Pod", "b")]
        with pytest.raises(UnreadableAnswerError):
            await objects.top("Pod", "a")


async def test_outcomes_are_counted_by_built_in_kind(deployed: Objects):
    await deployed.resolve("Pod", POD)
    await deployed.resolve("Deployment", "cart")
    deployed.serve("Rollout")
    deployed.refuse(path_of("Rollout", "r"), 503)
    with pytest.raises(SluiceError):
        await deployed.resolve("Rollout", "r")
    assert deployed.outcomes() == {("Pod", "resolved"): 1, ("Deployment", "unchanged"): 1, ("other", "error"): 1}
