"""An Event speaks about its own namespace, or from where the API server keeps those about no namespace."""

import pytest

from core.signals.signal import TargetResource
from core.workloads.qualification import beyond_reach


def pod(namespace: str = "shop") -> TargetResource:
    return TargetResource(kind="Pod", name="web", namespace=namespace)


def without_namespace(kind: str = "Node", name: str = "n1") -> TargetResource:
    return TargetResource(kind=kind, name=name)


def test_object_of_its_own_namespace_is_within():
    assert beyond_reach(pod(), event_namespace="shop") == ""


@pytest.mark.parametrize("elsewhere", ["evil", "default", "kube-system"])
def test_object_of_another_namespace_is_beyond(elsewhere: str):
    sentence = f"an Event in namespace {elsewhere} says nothing of Pod shop/web: it must be in that namespace"
    assert beyond_reach(pod(), event_namespace=elsewhere) == sentence


@pytest.mark.parametrize("place", ["default", "kube-system"])
def test_node_is_within_from_where_the_api_server_keeps_its_events(place: str):
    assert beyond_reach(without_namespace(), event_namespace=place) == ""


def test_node_is_beyond_from_anywhere_else():
    assert "Node n1, which is in none: it must be in default or kube-system" in beyond_reach(
        without_namespace(), event_namespace="shop"
    )


def test_namespace_may_be_spoken_of_from_within():
    assert beyond_reach(without_namespace("Namespace", "shop"), event_namespace="shop") == ""
    assert beyond_reach(without_namespace("Namespace", "shop"), event_namespace="evil") != ""
    assert beyond_reach(without_namespace("Node", "shop"), event_namespace="shop") != ""
