"""Which signals are of other clusters, whose objects cannot be looked up here, and which clusters those were.

A name that is not SLUICE_CLUSTER is more often this cluster's own, and a setting that was forgotten, than another's.
So each is told once, and shown as long as the process lives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.common.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_CLUSTERS = 20
"""Names that are told and shown; a sender writes them."""


class Clusters:
    """Tells signals of other clusters from this one's.

    Args:
        own: this cluster's name (SLUICE_CLUSTER); empty where it is not known.
        count: told of each signal of another cluster, by that cluster's name.
        warn: gets a sentence, once for each name and at most MOST_CLUSTERS in all.
    """

    def __init__(
        self, *, own: str, count: Callable[[str], None] = lambda _: None, warn: Callable[[str], None] = lambda _: None
    ) -> None:
        self._own = own
        self._count = count
        self._warn = warn
        self._seen: dict[str, str] = {}

    @property
    def seen(self) -> list[str]:
        """A sentence for each of the other clusters that signals named, with the setting to change."""
        return list(self._seen.values())

    def is_foreign(self, name: str) -> bool:
        """Tell whether a signal whose cluster has this name is another cluster's; empty is this one's."""
        return name not in ("", self._own)

    def note(self, name: str) -> None:
        """Count a signal of another cluster, and warn of that cluster where it is new."""
        self._count(name)
        if name not in self._seen and len(self._seen) < MOST_CLUSTERS:
            self._seen[name] = sentence = self.remedy(name)
            self._warn(sentence)

    def remedy(self, name: str) -> str:
        """Say of another cluster's name what it leads to, and which setting to change where it is this one's."""
        own = f"this one is {excerpt(self._own)} (SLUICE_CLUSTER)" if self._own else "SLUICE_CLUSTER is empty"
        return (
            f"signals name the cluster {excerpt(name)}, and {own}: they are taken for another cluster's, and nothing "
            "of them is looked up here; if that is this cluster, set SLUICE_CLUSTER to this name, or "
            "SLUICE_CLUSTER_LABELS to the labels that have the one it has"
        )
