"""Guesses from names, each a lookup: few, and only what Kubernetes itself makes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.signals.signal import TargetResource
from core.workloads.ownership import likely_parents


def parents(kind: str, name: str) -> list[str]:
    target = TargetResource(kind=kind, name=name, namespace="shop", api_version="v1")
    return [f"{each.kind}/{each.name}" for each in likely_parents(target)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "cart-6f7d8c9b5d-x2k4q",
            ["ReplicaSet/cart-6f7d8c9b5d", "Deployment/cart", "DaemonSet/cart-6f7d8c9b5d", "Job/cart-6f7d8c9b5d"],
        ),
        ("cart-0", ["StatefulSet/cart"]),
        ("agent-x2k4q", ["ReplicaSet/agent", "DaemonSet/agent", "Job/agent"]),
        (
            "backup-29000000-x2k4q",
            [
                "ReplicaSet/backup-29000000",
                "DaemonSet/backup-29000000",
                "Job/backup-29000000",
                "CronJob/backup",
                "Job/backup",
            ],
        ),
        ("cart", []),
        ("cart-aeiou", []),  # Kubernetes makes no names with vowels
        ("-x2k4q", []),
    ],
)
def test_pods_name_points_to_what_could_have_made_it(name: str, expected: list[str]):
    assert parents("Pod", name) == expected


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet", "CronJob", "Node", "Rollout"])
def test_other_kinds_have_no_likely_parents(kind: str):
    assert parents(kind, "cart-6f7d8c9b5d") == []


@given(st.sampled_from(["Pod", "ReplicaSet", "Job"]), st.text(max_size=80))
def test_any_name_gives_six_guesses_at_most(kind: str, name: str):
    assert len(parents(kind, name)) <= 6
