"""Keeps CloudEvents that could not be delivered, each as one object of the cluster: a Broker's dead letter sink."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.answers import Answer
from core.common.text import parse_rfc3339
from core.errors import SluiceError, TransientError
from core.kube.client import METADATA_ONLY_LIST
from core.kube.errors import AlreadyExistsError, ConflictError, ForbiddenError, NotFoundError
from core.logs import ONCE_A_SECOND
from core.triggers.dead_letter import DEAD_LETTERS, DeadLetter, read_dead_letter, to_object

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from core.common.resilience import Deadline
    from core.gateway import Gateway
    from core.kube.client import JsonObject

_BETWEEN_SWEEPS_SECONDS = 300.0
_PAGE = 500  # objects of one LIST, without what they hold
_FULL_RETRY_AFTER = 30.0


class DeadLetterSink:
    """Stores one object for each event, and deletes those that are older than SLUICE_DEAD_LETTER_MAX_AGE.

    An event that comes again has the same name, and is kept once. Where the API server takes no more (a ResourceQuota
    that is used up) the answer is 503: the Broker tries again for as long as its delivery says.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._client = gateway.client
        self._namespace = gateway.settings.namespace
        self._max_age = gateway.settings.dead_letter_max_age
        self._clock = gateway.clock
        self._logger = gateway.logger
        self._outcomes = gateway.metrics.dead_letters
        self._sweep_from = 0.0

    async def receive(self, headers: Mapping[str, str], body: bytes, /, *, deadline: Deadline) -> Answer:
        """Keep one event; the answer has no body, which a Broker would take for a reply.

        Raises:
            PayloadError: it is no CloudEvent.
            KubernetesError, TransientError: it could not be kept now.
        """
        letter = read_dead_letter(headers, body)
        if self._clock.monotonic() >= self._sweep_from:
            await self._sweep(deadline)
        kept = await self._keep(letter, deadline)
        self._outcomes.labels("kept" if kept else "repeated").inc()
        return Answer(201 if kept else 200, b"", media_type=None)

    async def close(self) -> None:
        """Give back what is held open: nothing."""

    async def _keep(self, letter: DeadLetter, deadline: Deadline) -> bool:
        """Store a dead letter; return False where it is kept already."""
        obj = to_object(letter, namespace=self._namespace)
        try:
            created = await self._create(obj, deadline)
        except SluiceError:
            self._outcomes.labels("refused").inc()
            raise
        if created:
            self._logger.warning(
                "a dead letter is kept: %s",
                letter.label,
                extra={"dead_letter": letter.name, "size": letter.size, "cut": letter.cut, **letter.failure},
            )
        return created

    async def _create(self, obj: JsonObject, deadline: Deadline) -> bool:
        try:
            return await self._create_once(obj, deadline)
        except ForbiddenError as error:
            # A quota, perhaps: what is too old may be in the way.
            if not await self._sweep(deadline):
                raise self._full(error) from error
        try:
            return await self._create_once(obj, deadline)
        except ForbiddenError as error:
            raise self._full(error) from error

    async def _create_once(self, obj: JsonObject, deadline: Deadline) -> bool:
        try:
            await self._client.create(DEAD_LETTERS, obj, namespace=self._namespace, deadline=deadline)
        except AlreadyExistsError:
            return False
        return True

    def _full(self, error: ForbiddenError) -> TransientError:
        sentence = (
            "a dead letter could not be kept: {}. Send those that are kept again, or delete them: "
            "`sluice dead-letters list`"
        )
        return TransientError(sentence.format(error), told=sentence.format(error.told), retry_after=_FULL_RETRY_AFTER)

    async def _sweep(self, deadline: Deadline) -> int:
        """Delete what is too old; return how many. What fails is tried again later: to keep an event matters more."""
        self._sweep_from = self._clock.monotonic() + _BETWEEN_SWEEPS_SECONDS
        deleted = 0
        try:
            async for page in self._client.pages(
                DEAD_LETTERS, namespace=self._namespace, size=_PAGE, deadline=deadline, accept=METADATA_ONLY_LIST
            ):
                for each in page.items:
                    if _age(each, page.server_time) > self._max_age:
                        deleted += await self._delete(each, deadline)
        except SluiceError as error:
            self._logger.warning("dead letters that are too old could not be deleted: %s", error, extra=ONCE_A_SECOND)
        self._outcomes.labels("expired").inc(deleted)
        return deleted

    async def _delete(self, obj: JsonObject, deadline: Deadline) -> bool:
        seen = obj["metadata"]
        try:
            await self._client.delete(
                DEAD_LETTERS,
                namespace=self._namespace,
                name=seen["name"],
                preconditions={"uid": seen["uid"]},
                deadline=deadline,
            )
        except (NotFoundError, ConflictError):
            return False
        return True


async def check_sink(gateway: Gateway, deadline: Deadline) -> None:
    """Return where dead letters can be read, which takes the definition, access and a right.

    Raises:
        KubernetesError, TransientError: with a sentence that says what is missing.
    """
    # Of none: with resourceVersion=0 the API server heeds no limit, and up to a quota of events would come along.
    query = {"fieldSelector": "metadata.name=none", "resourceVersion": "0"}
    await gateway.client.list(DEAD_LETTERS, namespace=gateway.settings.namespace, query=query, deadline=deadline)


def _age(obj: JsonObject, now: datetime) -> float:
    return (now - parse_rfc3339(obj["metadata"]["creationTimestamp"])).total_seconds()
