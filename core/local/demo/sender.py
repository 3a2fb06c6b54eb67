"""Delivers webhooks as Alertmanager does, and keeps count of what it is told."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from core.common.resilience import Deadline
from core.local.demo.burst import is_broken
from core.local.web import HttpAnswer, UnansweredError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from core.common.clock import Clock
    from core.local.demo.burst import JsonObject, Wave

    Post = Callable[[bytes], Awaitable[HttpAnswer]]


ON_PURPOSE = " (on purpose: one alert of the burst is broken, and holds up none of its neighbours)"
RETRY_SECONDS = 60.0
SIDE_BY_SIDE = 6

# Alertmanager's backoff between two tries of one notification (notify/retry_stage.go): 0.5 s, growing.
_FIRST_PAUSE_SECONDS = 0.5
_PAUSE_FACTOR = 1.5
_LONGEST_PAUSE_SECONDS = 60.0
_JITTER = 0.5


@dataclass(kw_only=True)
class Tally:
    """What became of a burst.

    `answers` counts HTTP answers by status, those that were tried again too; `alerts` counts acknowledged
    alerts by their result's status; `acknowledged` counts, by RR, the alerts that a 2xx said are
    stored, and `pods` holds the Pods that these name; `refused` and `undelivered` are sentences.
    """

    answers: Counter[int] = field(default_factory=Counter)
    alerts: Counter[str] = field(default_factory=Counter)
    acknowledged: Counter[str] = field(default_factory=Counter)
    pods: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    refused: list[str] = field(default_factory=list)
    undelivered: list[str] = field(default_factory=list)
    unanswered: int = 0


class Sender:
    """Posts waves of webhooks.

    Like Alertmanager it tries again what was answered 5xx or not at all, and nothing else. `post` raises
    UnansweredError; `random` returns a number in [0, 1).
    """

    def __init__(
        self,
        *,
        post: Post,
        clock: Clock,
        random: Callable[[], float],
        retry_seconds: float = RETRY_SECONDS,
        side_by_side: int = SIDE_BY_SIDE,
    ) -> None:
        self._post = post
        self._clock = clock
        self._random = random
        self._retry_seconds = retry_seconds
        self._slots = asyncio.Semaphore(side_by_side)
        self.tally = Tally()

    async def send(self, waves: Iterable[Wave], *, on_delivered: Callable[[int], None]) -> None:
        """Send one wave after the other; `on_delivered` is told the number of alerts of each webhook done."""
        for wave in waves:
            async with asyncio.TaskGroup() as group:
                for webhook in wave:
                    group.create_task(self._deliver(webhook, on_delivered))

    async def _deliver(self, webhook: JsonObject, on_delivered: Callable[[int], None]) -> None:
        async with self._slots:
            answer = await self._try_until_final(to_json(webhook))
        self._count(webhook, answer)
        on_delivered(len(webhook["alerts"]))

    async def _try_until_final(self, body: bytes) -> HttpAnswer | UnansweredError:
        deadline = Deadline(clock=self._clock, seconds=self._retry_seconds)
        pause = _FIRST_PAUSE_SECONDS
        while True:
            answer = await self._try(body)
            if isinstance(answer, HttpAnswer) and answer.status < 500:
                return answer
            jittered = pause * (1 + _JITTER * (2 * self._random() - 1))
            if jittered >= deadline.remaining():
                return answer
            await self._clock.sleep(jittered)
            pause = min(pause * _PAUSE_FACTOR, _LONGEST_PAUSE_SECONDS)

    async def _try(self, body: bytes) -> HttpAnswer | UnansweredError:
        try:
            answer = await self._post(body)
        except UnansweredError as error:
            self.tally.unanswered += 1
            return error
        self.tally.answers[answer.status] += 1
        return answer

    def _count(self, webhook: JsonObject, answer: HttpAnswer | UnansweredError) -> None:
        if isinstance(answer, UnansweredError):
            self.tally.undelivered.append(f"{webhook['groupKey']}: {answer}")
        elif results := _results_that_count(webhook, answer):
            for alert, result in zip(webhook["alerts"], results, strict=True):
                self._count_result(alert, result)
        else:
            self.tally.undelivered.append(f"{webhook['groupKey']} was answered {answer.status}: {answer.sentence}")

    def _count_result(self, alert: JsonObject, result: JsonObject) -> None:
        self.tally.alerts[str(result.get("status"))] += 1
        if name := result.get("remediationRequestName"):
            self.tally.acknowledged[name] += 1
            if pod := (alert.get("labels") or {}).get("pod"):
                self.tally.pods[name].add(pod)
        elif error := result.get("error"):
            self.tally.refused.append(f"{error}{ON_PURPOSE}" if is_broken(alert) else str(error))


def _results_that_count(webhook: JsonObject, answer: HttpAnswer) -> list[Any]:
    """Return one result for each alert; none where the answer is no gateway's, or acknowledges nothing.

    A 400 whose every alert is poison is final too: its results say so one by one.
    """
    results = answer.json().get("results")
    expected = answer.status < 300 or answer.status == 400
    complete = isinstance(results, list) and len(results) == len(webhook["alerts"])
    return results if expected and complete and isinstance(results, list) else []
