"""`sluice watch` and the console look on while a real API server is restarted: they say so, and go on by themselves."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from core.common.clock import RealClock
from core.local.console import Console
from core.local.embedded import load_crd
from core.local.viewing.reader import Reader, Where
from core.settings import Settings
from tests.apiserver.process import ServerProcess
from tests.contract.objects import GROUP, remediation_request
from tests.e2e.function import SCRIPTS
from tests.support.waiting import wait_for
from tests.unit.local.test_console import told

if TYPE_CHECKING:
    from pathlib import Path

    from tests.apiserver import KubeApiserver

pytestmark = pytest.mark.e2e

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
RRS = f"/apis/{GROUP}/v1alpha1/namespaces/default/remediationrequests"
PATIENCE = 180.0  # seconds, where a machine is loaded


def create(server: KubeApiserver, name: str) -> None:
    """Create an RR, as soon as the definition is served."""
    wait_for(lambda: server.request("POST", RRS, remediation_request(name)).status == 201, what=name, within=PATIENCE)


def shown(watch: ServerProcess, name: str) -> None:
    wait_for(lambda: name in watch.log_file.read_text(), what=f"{name} in the terminal", within=PATIENCE)


async def heard(answer: aiohttp.ClientResponse, stale: bool, name: str = "") -> dict[str, Any]:
    """The next thing that the page is told which says that it is out of date, or is not and names an RR."""
    async with asyncio.timeout(PATIENCE):
        while True:
            _, data = await told(answer)
            if bool(data["stale"]) == stale and (not name or name in [row["name"] for row in data["rows"]]):
                return data


async def test_both_say_that_the_server_is_away_and_show_what_came_once_it_is_back(
    own_kube_apiserver: KubeApiserver, tmp_path: Path
) -> None:
    server = own_kube_apiserver
    assert server.request("POST", CRDS, load_crd()).status == 201
    await asyncio.to_thread(create, server, "rr-one")
    config = str(server.write_kubeconfig(tmp_path / "kubeconfig"))
    watch = ServerProcess(
        [str(SCRIPTS / "sluice"), "watch", "-o", "name"],
        log_file=tmp_path / "watch.log",
        environment={"PATH": os.defpath, "HOME": str(tmp_path), "KUBECONFIG": config},
        folder=tmp_path,
        when_orphaned=signal.SIGTERM,
    )
    watch.start()
    reader = Reader(settings=Settings(), where=Where(kubeconfig=config))
    try:
        async with (
            Console(reader, clock=RealClock(), port=0) as console,
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session,
            session.get(f"{console.url}events") as page,
        ):
            await heard(page, False, "rr-one")
            await asyncio.to_thread(
                wait_for, lambda: "rr-one" in watch.log_file.read_text(), what="it", within=PATIENCE
            )
            await asyncio.to_thread(server.stop)
            assert "does not answer" in (await heard(page, True))["stale"]
            await asyncio.to_thread(server.start)
            await asyncio.to_thread(create, server, "rr-two")
            await heard(page, False, "rr-two")
            await asyncio.to_thread(
                wait_for, lambda: "rr-two" in watch.log_file.read_text(), what="it", within=PATIENCE
            )
        lines = watch.log_file.read_text().splitlines()
        names = [line for line in lines if line.startswith("remediationrequest.")]
        assert names == [f"remediationrequest.{GROUP}/rr-one", f"remediationrequest.{GROUP}/rr-two"]
        assert [line for line in lines if "does not answer" in line and line.endswith("Trying again.")]
        assert "Traceback" not in "\n".join(lines)
    finally:
        watch.stop()
