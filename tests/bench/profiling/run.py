"""One profile: a fresh function, slices that are measured, and slices that are recorded."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from tests.bench.checks import WrongWorkError
from tests.bench.measuring import API_SERVER, FUNCTION, LOAD, measure
from tests.bench.owned_pods import make_owned_pods
from tests.bench.profiling.profile import Profile
from tests.bench.profiling.subjects import MEASURED
from tests.bench.profiling.summary import summed_up
from tests.bench.profiling.traced_function import NoProfileError, TracedFunction
from tests.bench.vegeta import attack

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.apiserver import KubeApiserver
    from tests.bench.load import Slice
    from tests.bench.namespace import Namespace
    from tests.bench.profiling.subjects import Subject
    from tests.bench.workloads import Webhooks


@dataclass(frozen=True, kw_only=True)
class ProfileRun:
    """A function to be profiled, on a namespace of its own for the time."""

    subject: Subject
    server: KubeApiserver
    namespace: Namespace
    vegeta: Path
    folder: Path
    environment: Mapping[str, str]

    def profile(self) -> Profile:
        """Return what the function does and what it costs. Raises WrongWorkError."""
        subject = self.subject
        if subject.pods:
            make_owned_pods(self.server, subject.pods)
        environment = {**self.environment, **subject.environment}
        sent: set[tuple[str, ...]] = set()
        with TracedFunction(target=subject.function, folder=self.folder, environment=environment) as function:
            send = partial(self._send, function.url, sent)
            send(self._warm_up())
            webhooks = subject.draw(MEASURED)
            assert self.server.pid is not None, "kube-apiserver ended"
            processes = {API_SERVER: [self.server.pid], FUNCTION: [function.pid]}
            measured = measure(partial(send, webhooks), server=self.server, processes=processes, children=LOAD)
            try:
                function.record()
                send(subject.draw(subject.slices))
                found = summed_up(function.recorded())
            except NoProfileError as error:
                found = {"missing": str(error)}
        self._check(len(sent))
        return Profile(
            name=subject.name,
            cpu=round(measured.cpu[FUNCTION] * 1000 / len(webhooks), 4),
            others=round(measured.others, 3),
            **found,
        )

    def _warm_up(self) -> Webhooks:
        """Create what the repeats repeat; with a slice, so that connections are open."""
        workload = self.subject.workload
        return tuple((target,) for target in workload.known) + workload.draw()

    def _send(self, url: str, sent: set[tuple[str, ...]], webhooks: Webhooks) -> Slice:
        sent.update(webhooks)
        requests, subject = map(self.subject.request, webhooks), self.subject
        in_flight, folder = subject.workload.in_flight, self.folder
        return attack(self.vegeta, url, requests, in_flight=in_flight, expected=subject.answers, folder=folder).slice

    def _check(self, sent: int) -> None:
        """An event that is ignored is answered as one that is stored: only the RRs tell."""
        stored = self.namespace.count()
        self.namespace.empty()
        if stored != sent:
            raise WrongWorkError(f"{self.subject.name}: {sent} targets were sent, but there are {stored} RRs.")
