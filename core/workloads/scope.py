"""What people say of objects that holds signals back: a label that brings them into scope, an annotation that silences.

Silence without Alertmanager is an annotation on the object, its owners or its namespace, until a time. It is read with
the metadata that is read anyway, so it takes effect as late as those are remembered. What it would hold back is looked
at anew first: a silence that was lifted holds nothing a second later.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, NamedTuple

from core.common.memory import BoundedMemory
from core.common.text import excerpt, parse_rfc3339, rfc3339
from core.signals.signal import TargetResource
from core.workloads.ownership import SILENCED_UNTIL

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from core.common.clock import Clock
    from core.common.resilience import Deadline
    from core.workloads.ownership import Lineage, MetadataReader

SCOPE_SECONDS = 60.0
"""How long a label that lets a signal in is believed."""

REFUSAL_SECONDS = 1.0
"""The most for what holds a signal back: after a 200 that says rejected the sender does not ask again."""


def namespace_of(lineage: Lineage) -> TargetResource | None:
    """Return the Namespace that a lineage is in; None where it is in none."""
    name = lineage.top.namespace
    return TargetResource(kind="Namespace", name=name, api_version="v1") if name else None


class Scope:
    """Judges by SLUICE_SCOPE_LABEL: `key=value`, or `key` for any value but `false`.

    The object named is asked first, then its owners, then its namespace; the first that carries the key
    decides, so one workload of a managed namespace can be left out.
    """

    def __init__(self, *, label: str, reader: MetadataReader) -> None:
        self._key, _, self._value = label.partition("=")
        self._label = label
        self._reader = reader

    def remedy(self, lineage: Lineage) -> str:
        """Return the command that takes a workload in; a person decides whether it is right."""
        top = lineage.top
        place = f" -n {top.namespace}" if top.namespace else ""
        return f"kubectl label{place} {top.kind.lower()} {top.name} {self._key}={self._value or 'true'} --overwrite"

    async def refusal(self, lineage: Lineage, *, deadline: Deadline) -> str:
        """Return why a target is out of scope, or nothing where it is in.

        Nothing is refused by what was read before its request came: who has just set the label is in scope at once.
        What comes at the same time reads each object once.

        Raises:
            KubernetesError, TransientError: the API server could not be asked.
        """
        refused = await self._judged(lineage, SCOPE_SECONDS, deadline)
        return refused and await self._judged(lineage, min(REFUSAL_SECONDS, deadline.elapsed), deadline)

    async def _judged(self, lineage: Lineage, max_age: float, deadline: Deadline) -> str:
        namespace = namespace_of(lineage)
        asked = [*lineage.members, namespace] if namespace else lineage.members
        for each in asked:
            metadata = await self._reader.read(each, max_age=max_age, deadline=deadline)
            value = metadata.labels.get(self._key) if metadata else None
            if value is not None:
                return "" if self._matches(value) else f"{each} has the label {self._key}={value}"
        return f"none of {', '.join(str(each) for each in asked)} has the label {self._label}"

    def _matches(self, value: str) -> bool:
        return value == self._value if self._value else value != "false"


_REMEMBERED_WARNINGS = 1000


class Silenced(NamedTuple):
    """What holds a signal back: the object with the annotation, and until when, in UTC."""

    by: TargetResource
    until: datetime

    @property
    def moment(self) -> str:
        """The time, as RFC 3339 writes it."""
        return rfc3339(self.until)

    @property
    def lift(self) -> str:
        """The command that ends it now."""
        place = f" -n {self.by.namespace}" if self.by.namespace else ""
        return f"kubectl annotate{place} {self.by.kind.lower()} {self.by.name} {SILENCED_UNTIL}-"


class Silence:
    """Judges by the annotation `sluice.kubernaut.ai/silenced-until` (RFC 3339).

    Args:
        reader: of metadata.
        clock: the gateway's; a silence whose time has passed by it holds nothing.
        whole: asks every member of a lineage and its namespace. Otherwise only those whose metadata were read for
            other reasons: no call more is made.
        warn: gets a sentence for each value that is not a time, once for each object.
    """

    def __init__(
        self, *, reader: MetadataReader, clock: Clock, whole: bool, warn: Callable[[str], None] = lambda _: None
    ) -> None:
        self._reader = reader
        self._clock = clock
        self._whole = whole
        self._warn = warn
        self._warned: BoundedMemory[tuple[TargetResource, str], bool] = BoundedMemory(
            clock=clock, capacity=_REMEMBERED_WARNINGS, by_use=True
        )

    async def holding(self, lineage: Lineage, *, deadline: Deadline) -> Silenced | None:
        """Return what holds a signal of this lineage back, the longest one; None where nothing does.

        Raises:
            KubernetesError, TransientError: the API server could not be asked.
        """
        said = dict(lineage.silences)
        for each in self._unread(lineage) if self._whole else ():
            said[each] = await self._annotation(each, SCOPE_SECONDS, deadline)
        holding = [each for each, text in said.items() if self._holds(each, text)]
        anew = [(each, await self._annotation(each, REFUSAL_SECONDS, deadline)) for each in holding]
        return max(filter(None, (self._holds(*each) for each in anew)), key=lambda each: each.until, default=None)

    @staticmethod
    def _unread(lineage: Lineage) -> list[TargetResource]:
        namespace = namespace_of(lineage)
        asked = [*lineage.members, namespace] if namespace else lineage.members
        return [each for each in asked if each not in lineage.silences]

    async def _annotation(self, target: TargetResource, max_age: float, deadline: Deadline) -> str:
        metadata = await self._reader.read(target, max_age=max_age, deadline=deadline)
        return metadata.silenced_until if metadata else ""

    def _holds(self, target: TargetResource, text: str) -> Silenced | None:
        if not text:
            return None
        try:
            until = parse_rfc3339(text.strip()).astimezone(UTC)
        except (ValueError, OverflowError):
            self._warn_once(target, text)
            return None
        return Silenced(target, until) if until > self._clock.now() else None

    def _warn_once(self, target: TargetResource, text: str) -> None:
        if self._warned.get((target, text)) is None:
            self._warned.put((target, text), True)  # noqa: FBT003 - a value like any other
            self._warn(
                f"{target} is silenced until {excerpt(text)}, which is no time, so nothing is held back: write "
                f"{SILENCED_UNTIL}=2026-01-02T03:04:05Z (RFC 3339, with a zone)"
            )
