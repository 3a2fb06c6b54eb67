"""`sluice demo`: a realistic burst at a running function, and a look at what became of it."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from core.local.cluster import cluster_label, is_named, named_context, open_client
from core.local.demo.burst import BurstPlan, Wave, make_burst, workloads_of
from core.local.demo.replicas import create_replicas
from core.local.demo.report import delete_from_bursts, read_remediation_requests, show_report
from core.local.demo.sender import Sender, Tally
from core.local.running import Running, find_running, state_folder
from core.local.shell import USAGE, CommandError
from core.local.web import SIGNAL_PATH, HttpAnswer, UnansweredError, call, check_url

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

    from core.common.clock import Clock
    from core.settings import Settings

_ANSWER_SECONDS = 15.0  # above SLUICE_REQUEST_DEADLINE: the function answers before


@dataclass(frozen=True, kw_only=True)
class Demo:
    """One burst at `url`. `yes`: also where that is not the embedded Kubernetes API."""

    settings: Settings
    console: Console
    clock: Clock
    url: str
    plan: BurstPlan = field(default_factory=BurstPlan)
    yes: bool = False
    folder: Path = field(default_factory=state_folder)

    async def play(self) -> bool:
        """Send the burst and show the RRs; return whether every alert was delivered and is counted.

        Raises:
            CommandError: nothing is ready at `url`, or it writes to another cluster than the embedded one, or to one
                that is not known, and `yes` is not said.
            KubernetesError: the RRs cannot be read.
        """
        url = self._url()
        await self._check_ready(url)
        running = find_running(url, folder=self.folder)
        settings = settings_behind(running, self.settings, url)
        plan = replace(self.plan, replicas=running is not None and running.embedded)
        async with open_client(settings, clock=self.clock) as client:
            if plan.replicas:
                await create_replicas(client, workloads_of(plan), clock=self.clock)
            before = await read_remediation_requests(client, settings, clock=self.clock)
            started = self.clock.monotonic()
            tally = await self._send(url, make_burst(plan, now=self.clock.now()))
            seconds = self.clock.monotonic() - started
            after = await read_remediation_requests(client, settings, clock=self.clock)
        return show_report(self.console, tally, before=before, after=after, seconds=seconds)

    async def clean(self) -> bool:
        """Delete the remediation requests that earlier bursts opened; return whether none is left.

        Raises:
            CommandError: as `play`.
            KubernetesError: they cannot be read or deleted.
        """
        url = self._url()
        settings = settings_behind(find_running(url, folder=self.folder), self.settings, url)
        async with open_client(settings, clock=self.clock) as client:
            deleted, left = await delete_from_bursts(client, settings, clock=self.clock)
        self.console.print(f"{deleted} remediation requests of earlier bursts deleted.")
        for name in left:
            self.console.print(f"{name} changed in this moment and was left; try again.", style="yellow", markup=False)
        return not left

    def _url(self) -> str:
        return harmless_url(self.url, settings=self.settings, yes=self.yes, folder=self.folder)

    async def _check_ready(self, url: str) -> None:
        try:
            answer = await asyncio.to_thread(call, f"{url}/readyz", timeout=_ANSWER_SECONDS)
        except UnansweredError as error:
            raise CommandError(f"{error}; start the function first: `make run`") from error
        if answer.status != 200:
            raise CommandError(f"{url} is not ready, it answers {answer.status} to /readyz: {answer.sentence}")

    async def _send(self, url: str, waves: Sequence[Wave]) -> Tally:
        post = partial(_post, url + SIGNAL_PATH)
        sender = Sender(post=post, clock=self.clock, random=Random().random)  # noqa: S311 - jitter
        webhooks = sum(len(wave) for wave in waves)
        with _progress(self.console) as progress:
            task = progress.add_task(f"Posting {webhooks} webhooks to {url}", total=self.plan.alerts)
            await sender.send(waves, on_delivered=partial(progress.advance, task))
        return sender.tally


def harmless_url(url: str, *, settings: Settings, yes: bool, folder: Path | None = None) -> str:
    """Return the URL to post to; `localhost` becomes the address meant. Without `yes` the embedded API is behind it.

    Raises:
        CommandError: it is no URL, or `yes` is not said and it writes, or may write, to somebody's cluster.
    """
    checked = check_url(url)
    running = find_running(checked, folder=folder or state_folder())
    if not yes:
        _check_harmless(running, settings, checked)
    return running.url if running else checked


def _check_harmless(running: Running | None, settings: Settings, url: str) -> None:
    """Only `sluice run` says which API its function writes to; of any other function nothing is known, whatever
    KUBECONFIG names."""
    if running and running.embedded:
        return
    risk = "A consumer there may act on made-up remediation requests; if that is what you want, say --yes (YES=1)"
    if running:
        label = cluster_label(context=running.context, server=running.server)
        raise CommandError(f"{url} writes to a real cluster ({label}). {risk}", exit_code=USAGE)
    if not _answers(url):
        raise CommandError(f"nothing answers at {url}; start the function first: `make run`, or name its --url")
    named = settings.api_server or named_context(os.environ.get("KUBECONFIG", ""))
    here = f"your environment names {named}. {risk}" if named else "set KUBECONFIG to its cluster, and say --yes"
    raise CommandError(
        f"no `sluice run` of yours serves {url}, so it is not known to which cluster it writes: {here}", exit_code=USAGE
    )


def _answers(url: str) -> bool:
    try:
        call(f"{url}/healthz", timeout=_ANSWER_SECONDS)
    except UnansweredError:
        return False
    return True


def settings_behind(running: Running | None, settings: Settings, url: str) -> Settings:
    """Return the settings, and set the KUBECONFIG, that read where the function at `url` writes."""
    if running is None:
        if not is_named(settings, kubeconfig=os.environ.get("KUBECONFIG", "")):
            raise CommandError(
                f"no `sluice run` of yours serves {url}, so it is not known where its remediation requests are; "
                "set KUBECONFIG to its cluster, and SLUICE_NAMESPACE where it is not sluice-system"
            )
        return settings
    if not running.kubeconfig:
        return settings
    os.environ["KUBECONFIG"] = running.kubeconfig
    there = {"namespace": running.namespace, "group": running.group, "version": running.version, "api_server": ""}
    return settings.changed(**there)


async def _post(url: str, body: bytes) -> HttpAnswer:
    return await asyncio.to_thread(call, url, body=body, timeout=_ANSWER_SECONDS)


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console)
