"""Which targets are ours to remedy: those that carry a label, or whose namespace does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.models.signal import TargetResource

if TYPE_CHECKING:
    from core.clock import Deadline
    from core.workloads.metadata import MetadataReader
    from core.workloads.owners import Lineage

SCOPE_SECONDS = 60.0


class Scope:
    """Judges by SLUICE_SCOPE_LABEL: `key=value`, or `key` for any value but `false`.

    The object named is asked first, then its owners, then its namespace; the first that carries the key
    decides, so one workload of a managed namespace can be left out.
    """

    def __init__(self, *, label: str, reader: MetadataReader) -> None:
        self._key, _, self._value = label.partition("=")
        self._label = label
        self._reader = reader

    async def refusal(self, lineage: Lineage, *, deadline: Deadline) -> str:
        """Return why a target is out of scope, or nothing where it is in.

        Raises:
            KubernetesError, TransientError: the API server could not be asked.
        """
        namespace = lineage.top.namespace
        asked = [*lineage.members]
        if namespace:
            asked.append(TargetResource(kind="Namespace", name=namespace, api_version="v1"))
        for each in asked:
            metadata = await self._reader.read(each, max_age=SCOPE_SECONDS, deadline=deadline)
            value = metadata.labels.get(self._key) if metadata else None
            if value is not None:
                return "" if self._matches(value) else f"{each} has the label {self._key}={value}"
        return f"none of {', '.join(str(each) for each in asked)} has the label {self._label}"

    def _matches(self, value: str) -> bool:
        return value == self._value if self._value else value != "false"
