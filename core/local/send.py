"""`sluice send`: alerts from files, folders or standard input to a gateway, and how it answered."""

from __future__ import annotations

import asyncio
import json
import statistics
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, TextIO

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from core.common.text import why_unread
from core.local.demo.sender import RETRY_SECONDS, Sender
from core.local.shell import USAGE, CommandError
from core.local.web import SIGNAL_PATH, HttpAnswer, call

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

    from rich.console import Console

    from core.common.clock import Clock
    from core.local.demo.sender import Tally

    Post = Callable[[bytes], Awaitable[HttpAnswer]]

JsonObject = dict[str, Any]

_ANSWER_SECONDS = 15.0  # above SLUICE_REQUEST_DEADLINE: the function answers before
_MOST_SENTENCES = 5
_STANDARD_INPUT = "-"


def read_values(sources: Sequence[str], *, stdin: TextIO) -> list[tuple[Any, str]]:
    """Return the JSON values in files, in the `.json` files of folders, and in standard input for `-`, each with the
    name of where it was. A list's are taken one by one.

    Raises:
        CommandError: a file cannot be read, or holds no JSON.
    """
    return [(value, name) for name, text in _texts(sources, stdin) for value in _values(text, name)]


def read_webhooks(sources: Sequence[str], *, stdin: TextIO) -> list[JsonObject]:
    """Return the webhooks in files, in the `.json` files of folders (by name), and in standard input for `-`.

    A file holds a webhook, one alert, a list of either, or one of them on each line.

    Raises:
        CommandError: a file cannot be read, or holds something else.
    """
    return [webhook for value, name in read_values(sources, stdin=stdin) for webhook in _read(value, name)]


def _texts(sources: Sequence[str], stdin: TextIO) -> Iterator[tuple[str, str]]:
    for source in sources:
        if source == _STANDARD_INPUT:
            yield "standard input", stdin.read()
            continue
        path = Path(source)
        files = sorted(path.glob("*.json")) if path.is_dir() else [path]
        if not files:
            raise CommandError(f"the folder {source} holds no .json file", exit_code=USAGE)
        for file in files:
            try:
                yield str(file), file.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise CommandError(f"{file} cannot be read: {why_unread(error)}", exit_code=USAGE) from error


def _values(text: str, name: str) -> list[Any]:
    try:
        value = json.loads(text)
    except ValueError as whole:
        lines = [line for line in text.splitlines() if line.strip()]
        try:
            return [json.loads(line) for line in lines] if len(lines) > 1 else _refuse(name, whole)
        except ValueError:
            return _refuse(name, whole)
    return value if isinstance(value, list) else [value]


def _refuse(name: str, error: ValueError) -> list[Any]:
    raise CommandError(f"{name} is no JSON: {error}", exit_code=USAGE) from error


def _read(value: Any, name: str) -> Iterator[JsonObject]:
    if isinstance(value, dict) and isinstance(value.get("alerts"), list):
        yield {"groupKey": name} | value
    elif isinstance(value, dict) and isinstance(value.get("labels"), dict):
        alert = {"status": "firing"} | value
        yield {"version": "4", "groupKey": name, "status": alert["status"], "alerts": [alert]}
    else:
        raise CommandError(
            f"{name} holds neither an Alertmanager webhook (an object with alerts) nor an alert (one with labels)",
            exit_code=USAGE,
        )


@dataclass(frozen=True, kw_only=True)
class SendPlan:
    """How to send: all webhooks `repeat` times, `concurrency` at once, `rate` a second (0: as fast as it goes).

    `retry`: what is answered 5xx, or not at all, is tried again for a minute, as Alertmanager does.
    """

    repeat: int = 1
    concurrency: int = 6
    rate: float = 0.0
    retry: bool = True


@dataclass(kw_only=True)
class Sending:
    """Posts webhooks to the function at `url` and tells how it answered. `post` is for tests."""

    url: str
    console: Console
    clock: Clock
    plan: SendPlan = field(default_factory=SendPlan)
    post: Post | None = None
    latencies: list[float] = field(default_factory=list)

    async def send(self, webhooks: Sequence[JsonObject]) -> bool:
        """Send all; return whether each was accepted."""
        post = self.post or partial(_post, self.url + SIGNAL_PATH)
        sender = Sender(
            post=_paced(self._timed(post), rate=self.plan.rate, clock=self.clock),
            clock=self.clock,
            random=Random().random,  # noqa: S311 - jitter
            retry_seconds=RETRY_SECONDS if self.plan.retry else 0.0,
            side_by_side=self.plan.concurrency,
        )
        wave = [webhook for _ in range(self.plan.repeat) for webhook in webhooks]
        started = self.clock.monotonic()
        with _progress(self.console) as progress:
            total = sum(len(webhook["alerts"]) for webhook in wave)
            task = progress.add_task(f"Posting {len(wave)} webhooks to {self.url}", total=total)
            await sender.send([wave], on_delivered=partial(progress.advance, task))
        self._tell(sender.tally, seconds=self.clock.monotonic() - started, webhooks=len(wave))
        return not sender.tally.undelivered and not sender.tally.refused

    def _timed(self, post: Post) -> Post:
        async def timed(body: bytes) -> HttpAnswer:
            started = self.clock.monotonic()
            answer = await post(body)
            self.latencies.append(self.clock.monotonic() - started)
            return answer

        return timed

    def _tell(self, tally: Tally, *, seconds: float, webhooks: int) -> None:
        alerts = ", ".join(f"{number} {status}" for status, number in sorted(tally.alerts.items()))
        codes = ", ".join(f"{number} x {status}" for status, number in sorted(tally.answers.items()))
        silent = f", {tally.unanswered} x no answer" if tally.unanswered else ""
        per_second = f" ({webhooks / seconds:.1f} a second)" if seconds > 0 else ""
        self._line(f"{webhooks} webhooks in {seconds:.2f} s{per_second}")
        self._line(f"answers: {codes or 'none'}{silent}")
        self._line(f"alerts: {alerts or 'none taken'}; {len(tally.acknowledged)} remediation requests")
        if self.latencies:
            self._line(f"latency: {latency_summary(self.latencies)}")
        _tell_some(self._line, "refused", sorted(set(tally.refused)))
        _tell_some(self._line, "not delivered", tally.undelivered)

    def _line(self, text: str) -> None:
        self.console.print(Text(text), soft_wrap=True)


def latency_summary(seconds: Sequence[float]) -> str:
    """Return the median, the 95th and 99th percentile and the longest, in milliseconds."""
    cuts = statistics.quantiles(seconds, n=100, method="inclusive") if len(seconds) > 1 else [seconds[0]] * 99
    named = {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98], "max": max(seconds)}
    return ", ".join(f"{name} {value * 1000:.0f} ms" for name, value in named.items())


def _tell_some(tell: Callable[[str], None], what: str, sentences: Sequence[str]) -> None:
    for sentence in sentences[:_MOST_SENTENCES]:
        tell(f"{what}: {sentence}")
    if len(sentences) > _MOST_SENTENCES:
        tell(f"{what}: and {len(sentences) - _MOST_SENTENCES} more")


def _paced(post: Post, *, rate: float, clock: Clock) -> Post:
    """Let posts start `rate` a second at most; a slow answer does not make the next ones crowd."""
    if rate <= 0:
        return post
    due = clock.monotonic()

    async def paced(body: bytes) -> HttpAnswer:
        nonlocal due
        wait = due - clock.monotonic()
        due = max(due, clock.monotonic()) + 1 / rate
        if wait > 0:
            await clock.sleep(wait)
        return await post(body)

    return paced


def flattened(waves: Iterable[Sequence[JsonObject]]) -> list[JsonObject]:
    """Return the webhooks of a made-up burst in their order."""
    return [webhook for wave in waves for webhook in wave]


async def _post(url: str, body: bytes) -> HttpAnswer:
    return await asyncio.to_thread(call, url, body=body, timeout=_ANSWER_SECONDS)


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console)
