"""A cluster that is not SLUICE_CLUSTER is most often this one: it is told once, with the setting to change."""

from __future__ import annotations

import pytest

from core.workloads.clusters import MOST_CLUSTERS, Clusters


class Told:
    """Clusters with what they counted and warned of."""

    def __init__(self, own: str) -> None:
        self.counted: list[str] = []
        self.warned: list[str] = []
        self.clusters = Clusters(own=own, count=self.counted.append, warn=self.warned.append)


@pytest.mark.parametrize(
    ("own", "name", "foreign"),
    [("", "", False), ("", "east", True), ("east", "east", False), ("east", "", False), ("east", "West", True)],
)
def test_other_cluster_is_one_that_has_another_name(own: str, name: str, foreign: bool):
    assert Clusters(own=own).is_foreign(name) is foreign


def test_each_is_warned_of_once_and_counted_each_time():
    told = Told("west")
    for name in ("east", "east", "south", "east"):
        told.clusters.note(name)
    assert told.counted == ["east", "east", "south", "east"]
    assert told.warned == told.clusters.seen
    assert [("'east'" in first, "'south'" in second) for first, second in [told.warned]] == [(True, True)]


@pytest.mark.parametrize(("own", "said"), [("", "SLUICE_CLUSTER is empty"), ("west", "this one is 'west'")])
def test_warning_says_what_is_set_and_what_to_set(own: str, said: str):
    told = Told(own)
    told.clusters.note("east")
    (sentence,) = told.warned
    assert said in sentence
    assert "set SLUICE_CLUSTER to this name, or SLUICE_CLUSTER_LABELS" in sentence


def test_sender_that_makes_names_up_fills_nothing():
    told = Told("west")
    for number in range(1000):
        told.clusters.note(f"{number}\n" * 1000)
    assert len(told.warned) == len(told.clusters.seen) == MOST_CLUSTERS
    assert max(map(len, told.warned)) < 600
    assert not any("\n" in sentence for sentence in told.warned)
    assert len(told.counted) == 1000
