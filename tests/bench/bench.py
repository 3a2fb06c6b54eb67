"""One API server and one namespace, and what is measured on them."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from tests.bench.case_run import CaseRun, Slices
from tests.bench.cold_start import ColdStart, cold_start, write_hello
from tests.bench.figures import Row, ratios, side
from tests.bench.floor import Template
from tests.bench.floors import Floors
from tests.bench.gateway import posted
from tests.bench.namespace import Namespace
from tests.bench.owned_pods import make_owned_pods, pod_names
from tests.bench.profiling.run import ProfileRun
from tests.e2e.function import PRODUCTION, FunctionProcess
from tests.support.cluster import SENDER, SENDER_RULES
from tests.support.http import send

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.apiserver import KubeApiserver
    from tests.bench.cases import Case
    from tests.bench.other_gateway import OtherGateway
    from tests.bench.profiling.profile import Profile
    from tests.bench.profiling.subjects import Subject


# The floor looks nothing up and asks nobody who it is.
_LIKE_THE_FLOOR = {"SLUICE_AUTH": "none", "SLUICE_OWNERS": "as-named"}


class Bench:
    """Runs cases, ours and the floor's slices in turn, and cold starts."""

    def __init__(self, server: KubeApiserver, vegeta: Path, folder: Path, other: OtherGateway | None = None) -> None:
        self._server = server
        self._other = other
        self._vegeta = vegeta
        self._folder = folder
        self._namespace = Namespace(server)
        self._sender = self._namespace.cluster.add_account(SENDER, SENDER_RULES)
        self._template = self._make_template()
        self._pods: set[str] = set()

    def measure(self, case: Case, *, pairs: int, seconds: float) -> Row:
        """Run one case in a fresh function and fresh bare clients; it begins no pair of slices after `seconds`."""
        defaults = case.workload.defaults
        started = self._function(defaults=defaults, WORKERS=str(case.processes))
        with self._floors(case.processes) as floors, started as function:
            self._namespace.fill(floors, case.rrs)
            function.workers(case.processes)
            run = CaseRun(
                workload=case.workload,
                server=self._server,
                namespace=self._namespace,
                floors=floors,
                url=function.url,
                pid=function.pid,
                vegeta=self._vegeta,
                folder=self._folder,
                pods=self._pods,
                token=self._sender if defaults else "",
                other=self._other,
            )
            return _row(case, run.slices(pairs, seconds=seconds))

    def cold_starts(self, *, runs: int) -> tuple[list[ColdStart], list[ColdStart]]:
        """Start our function and one that does nothing, in turn; ours looks up who owns its first alert's Pod."""
        hello = (PRODUCTION[0], "--asgi", "--source", str(write_hello(self._folder)), "--target", "hello")
        pods = pod_names("cold", count=runs)
        make_owned_pods(self._server, pods)
        ours, bare = [], []
        for pod in pods:
            ours.append(self._cold_start(PRODUCTION, target=pod))
            bare.append(self._cold_start(hello, target="hello"))
        self._namespace.empty()
        return ours, bare

    def profile(self, subject: Subject) -> Profile:
        """Profile a fresh function under one load."""
        folder = self._new_folder()
        return ProfileRun(
            subject=subject,
            server=self._server,
            namespace=self._namespace,
            vegeta=self._vegeta,
            folder=folder,
            environment=self._settings(folder),
        ).profile()

    def _cold_start(self, command: tuple[str, ...], *, target: str) -> ColdStart:
        folder = self._new_folder()
        settings = self._settings(folder) | {"SLUICE_OWNERS": "resolve"}
        return cold_start(command, environment=settings, folder=folder, target=target)

    @contextmanager
    def _function(self, *, defaults: bool = False, **environment: str) -> Iterator[FunctionProcess]:
        """Start the function as production does, with the gateway's own service account."""
        folder = self._new_folder()
        settings = self._settings(folder)
        if defaults:
            settings = {name: value for name, value in settings.items() if name not in _LIKE_THE_FLOOR}
        with FunctionProcess(folder=folder, environment=settings | environment) as function:
            if defaults:
                function.wait_until_ready()  # the API server heeds new rules for reviews a moment later
            yield function

    def _settings(self, folder: Path) -> dict[str, str]:
        cluster = self._namespace.cluster
        return {
            "KUBECONFIG": str(cluster.write_kubeconfig(folder / "kubeconfig")),
            "SLUICE_NAMESPACE": cluster.namespace,
            **_LIKE_THE_FLOOR,
            "SLUICE_LOG_LEVEL": "WARNING",
            # A busy machine makes the figures worse; it must not end the run by answers of 503.
            "SLUICE_REQUEST_DEADLINE": "60",
            "SLUICE_API_TIMEOUT": "30",
        }

    def _new_folder(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self._folder))

    def _make_template(self) -> Template:
        """Take an RR as the gateway creates it, for the bare client to create its like."""
        with self._function() as function:
            function.wait_until_ready()
            sent = posted(["template"])
            answer = send("POST", function.url, sent.body, headers=sent.headers)
            assert answer.status == 201, answer.body
        template = Template.of(self._namespace.one())
        self._namespace.empty()
        return template

    def _floors(self, processes: int) -> Floors:
        cluster = self._namespace.cluster
        return Floors(
            self._server,
            token=cluster.token,
            namespace=cluster.namespace,
            template=self._template,
            processes=processes,
        )


def _row(case: Case, slices: Slices) -> Row:
    alerts = case.workload.alerts
    ours, floor, other = slices.ours, slices.floor, slices.other
    return Row(
        workload=case.workload.name,
        rrs=case.rrs,
        processes=case.processes,
        ours=side(ours, alerts=alerts),
        floor=side(floor, alerts=1),
        ratios=ratios([one.slice for one in ours], [one.slice for one in floor], alerts=alerts),
        others=round(fmean(one.others for one in (*ours, *floor)), 3),
        other=side(other, alerts=alerts) if other else None,
        to_other=ratios([one.slice for one in ours], [one.slice for one in other], alerts=1) if other else [],
        doubles=slices.doubles,
    )
