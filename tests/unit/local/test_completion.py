"""Tab in bash offers commands, options, contexts, phases and names of RRs: with what `--show-completion` prints."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sysconfig
from typing import TYPE_CHECKING

import pytest

from core.common.clock import RealClock
from core.common.resilience import Deadline
from core.kube.resources import remediation_requests
from core.local.cluster import embedded_cluster, open_client, write_kubeconfig
from core.settings import Settings
from tests.contract.objects import remediation_request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(not shutil.which("bash"), reason="completion in bash needs bash")

SETTINGS = Settings(namespace="ns")
SCRIPTS = sysconfig.get_path("scripts")
PRESS_TAB = """
eval "$(sluice --show-completion bash)"
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_sluice_completion sluice
printf '%s\\n' "${COMPREPLY[@]}"
"""


async def offered(*words: str, kubeconfig: str = "", home: Path) -> list[str]:
    """What bash offers for the last of the words."""
    environment = {"PATH": f"{SCRIPTS}:{os.defpath}", "HOME": str(home), "KUBECONFIG": kubeconfig}
    pressed = await asyncio.to_thread(
        subprocess.run,
        ["bash", "-c", PRESS_TAB, "bash", "sluice", *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert pressed.stderr == ""
    return pressed.stdout.split()


@pytest.fixture
async def kubeconfig(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """Of an embedded cluster with two RRs."""
    async with embedded_cluster(SETTINGS) as cluster:
        monkeypatch.setenv("KUBECONFIG", cluster.kubeconfig)
        kind = remediation_requests(group=SETTINGS.group, version=SETTINGS.version)
        async with open_client(SETTINGS, clock=RealClock()) as client:
            for name in ("rr-one", "rr-two"):
                deadline = Deadline(clock=RealClock(), seconds=600)
                await client.create(kind, remediation_request(name), namespace="ns", deadline=deadline)
        yield cluster.kubeconfig


async def test_commands_options_and_phases_are_offered(tmp_path: Path):
    assert await offered("des", home=tmp_path) == ["describe"]
    assert await offered("get", "--al", home=tmp_path) == ["--all-namespaces", "--alert"]
    assert await offered("get", "--phase", "Comp", home=tmp_path) == ["Completed"]


async def test_contexts_and_names_are_offered(kubeconfig: str, tmp_path: Path):
    assert await offered("get", "--context", "sl", kubeconfig=kubeconfig, home=tmp_path) == ["sluice-embedded"]
    assert await offered("describe", "rr-", kubeconfig=kubeconfig, home=tmp_path) == ["rr-one", "rr-two"]
    assert await offered("phase", "rr-one", "Fa", kubeconfig=kubeconfig, home=tmp_path) == ["Failed"]


async def test_server_that_is_away_and_a_broken_kubeconfig_disturb_nobody(tmp_path: Path):
    away = str(write_kubeconfig(tmp_path / "away", server="http://127.0.0.1:9", namespace="ns"))
    (tmp_path / "broken").write_text("{")
    for kubeconfig in (away, str(tmp_path / "broken"), "/nowhere"):
        assert await offered("describe", "rr-", kubeconfig=kubeconfig, home=tmp_path) == []
        assert await offered("get", "--context", "x", kubeconfig=kubeconfig, home=tmp_path) == []
