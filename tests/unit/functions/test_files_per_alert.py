"""How far a reader has to go to follow one alert: the files of core/ and functions/ that it passes."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.common.clock import RealClock
from core.kube.client import path_of
from core.kube.resources import KINDS
from core.kube.transport import ApiRequest
from core.local.embedded import EmbeddedApi, EmbeddedServer
from core.local.embedded.access import ADMIN, Access
from tests.support.wire import deliver
from tests.unit.functions.webhooks import alert, webhook

if TYPE_CHECKING:
    from collections.abc import Iterator, Set
    from types import FrameType

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
FILES_OF_A_NEW_ALERT = 27
FILES_OF_A_REPEAT = 22


async def test_an_alert_passes_few_files(function):
    new, repeat = await _passed_by_new_and_repeat(function)
    assert len(new) <= FILES_OF_A_NEW_ALERT, _listed(new)
    assert len(repeat) <= FILES_OF_A_REPEAT, _listed(repeat)
    assert {file for file in new | repeat if f"{Path(file).name}`" not in PAGE} == set()
    assert f"A repeat passes {len(repeat)} files of `core/` and `functions/`, a new alert {len(new)};" in PAGE


async def test_the_default_check_of_senders_adds_two_files_of_its_own(function):
    function.set(auth="kubernetes")
    new, repeat = await _passed_by_new_and_repeat(function)
    check = {"core/admission/gate.py", "core/admission/reviews.py"}
    assert {file for file in new if "admission" in file} == check
    assert {file for file in repeat if "admission" in file} == check
    assert f"so a repeat passes {len(repeat)}, a new alert {len(new)}." in PAGE


async def _passed_by_new_and_repeat(function: Any) -> tuple[Set[str], Set[str]]:
    """The files that an alert about a Pod of a Deployment passes, first new and then again."""
    function.set(owners="resolve")
    access = Access()
    api = EmbeddedApi(clock=RealClock(), namespaces=["sluice-system", "prod"], access=access)
    await _make_pod_of_a_deployment(api, "web-1")
    access.tokens |= {"gateway": ADMIN, "sender": ADMIN}
    async with EmbeddedServer(api) as url:
        _reach(url)
        await function.post(webhook(alert("cold-start")), Authorization="Bearer sender")
        return await _files_passed(function, alert("web-1")), await _files_passed(function, alert("web-1"))


async def _make_pod_of_a_deployment(api: EmbeddedApi, name: str) -> None:
    owner: list[dict[str, Any]] = []
    for kind in ("Deployment", "ReplicaSet", "Pod"):
        resource = KINDS[kind]
        made = {"apiVersion": resource.api_version, "kind": kind, "metadata": {"name": name, "ownerReferences": owner}}
        request = ApiRequest(method="POST", path=path_of(resource, namespace="prod"), body=json.dumps(made).encode())
        answer = await deliver(api.app, request)
        assert answer.status == 201, answer.body
        uid = json.loads(answer.body)["metadata"]["uid"]
        owner = [{"apiVersion": resource.api_version, "kind": kind, "name": name, "uid": uid, "controller": True}]


def _reach(url: str) -> None:
    kubeconfig = Path(os.environ["KUBECONFIG"])
    of_a_user = "contexts: [{name: t, context: {cluster: t, user: t}}], users: [{name: t, user: {token: gateway}}]"
    text = kubeconfig.read_text().replace("contexts: [{name: t, context: {cluster: t}}]", of_a_user)
    kubeconfig.write_text(text.replace("http://127.0.0.1:1", url))


async def _files_passed(function: Any, an_alert: dict[str, Any]) -> Set[str]:
    """The files whose functions run between a webhook and its answer, the API server's own left out."""
    files: set[str] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            files.add(frame.f_code.co_filename)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        answered = await function.post(webhook(an_alert), Authorization="Bearer sender")
    finally:
        sys.setprofile(before)
    assert answered.status in (201, 202), answered.body
    return set(_ours(files))


def _ours(files: Set[str]) -> Iterator[str]:
    for file in files:
        path = Path(file)
        if path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] in ("core", "functions"):
            relative = path.relative_to(ROOT)
            if relative.parts[:2] != ("core", "local"):  # the API server in this test's process
                yield str(relative)


def _listed(files: Set[str]) -> str:
    return "\n".join([f"{len(files)} files:", *sorted(files)])
