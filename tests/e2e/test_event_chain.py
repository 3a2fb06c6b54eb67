"""Kubernetes Events on their whole way: API server, ApiServerSource, Broker, Trigger, function, RR."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.cluster.machine import merge_patch
from tests.cluster.product import (
    KUBERNETES_EVENT,
    NAMESPACE,
    adapter_follows,
    host_of,
    occurrences,
    remediation_requests,
)
from tests.cluster.workloads import create_warning, create_workloads, repeat_warning
from tests.e2e.function import SCRIPTS
from tests.support.waiting import eventually, wait_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.cluster.machine import Machine

BROKER = "broker-ingress.knative-eventing.svc.cluster.local"
TRIGGER_ACCOUNT = "sluice-events-oidc-eventing.knative.dev-trigger"
DEAD_LETTERS = "sluice-dead-letters"
BROKERS = f"/apis/eventing.knative.dev/v1/namespaces/{NAMESPACE}/brokers"
SOURCES = f"/apis/sources.knative.dev/v1/namespaces/{NAMESPACE}/apiserversources"

STORED_WITHIN = 600.0  # seconds; 5 on two idle cores, the start of a pod included


NAMESPACES = {"chain-good": 20, "chain-poison": 1, "chain-refused": 1, "chain-outage": 10}


@pytest.fixture(scope="module")
def workloads(machine: Machine) -> dict[str, list[str]]:
    """Names by namespace. ApiServerSource starts its adapter anew for each namespace made, so all are made first."""
    made = {name: create_workloads(machine, namespace=name, number=number) for name, number in NAMESPACES.items()}
    wait_for(lambda: adapter_follows(machine, NAMESPACES), what="the source to follow", within=STORED_WITHIN)
    return made


def assert_stored(machine: Machine, namespace: str, *, rrs: int, counted: int) -> None:
    """Wait until there are so many RRs that have counted so many occurrences together."""
    seen = (0, 0)

    def is_stored() -> bool:
        nonlocal seen
        found = remediation_requests(machine, namespace=namespace)
        seen = (len(found), occurrences(found))
        return seen == (rrs, counted)

    try:
        wait_for(is_stored, what=f"{rrs} RRs and {counted} occurrences in {namespace}", within=STORED_WITHIN)
    except AssertionError as error:
        raise AssertionError(f"{error}; stored: {seen}") from None


def dead_letters(machine: Machine) -> list[Any]:
    return list(machine.get(f"/apis/sluice.kubernaut.ai/v1alpha1/namespaces/{NAMESPACE}/deadletters")["items"])


def dead_letters_about(machine: Machine, namespace: str) -> list[Any]:
    return [each for each in dead_letters(machine) if namespace in str(each["spec"])]


def source_token(machine: Machine) -> str:
    """Of the account that Eventing made for the source, for the Broker."""
    account = machine.get(f"{SOURCES}/sluice-events")["status"]["auth"]["serviceAccountName"]
    audience = machine.get(f"{BROKERS}/sluice")["status"]["address"]["audience"]
    return machine.token(namespace=NAMESPACE, account=account, audience=audience)


async def post_event(machine: Machine, *, host: str, path: str = "", event: object, token: str = "") -> int:
    """Post a CloudEvent to a Service from inside the machine; return the status."""
    headers = {"Content-Type": "application/cloudevents+json"}
    headers |= {"Authorization": f"Bearer {token}"} if token else {}
    async with machine.control() as control:
        posting = control.post(f"/inside/{host}/{path}", data=json.dumps(event), headers=headers)
        async with posting as answer:
            return answer.status


def poison_in(namespace: str) -> dict[str, object]:
    """A CloudEvent that holds no Event. None that the API server stores is poison: one that names no object is
    ignored."""
    return {
        "specversion": "1.0",
        "type": "dev.knative.apiserver.resource.add",
        "source": "test",
        "id": f"poison-in-{namespace}",
        "namespace": namespace,
        "data": ["no Event"],
    }


def test_each_event_and_its_updates_are_counted_once(machine: Machine, workloads: dict[str, list[str]]) -> None:
    namespace = "chain-good"
    events = [create_warning(machine, namespace=namespace, workload=each) for each in workloads[namespace]]
    for count in (2, 3):
        for event in events:
            repeat_warning(machine, namespace=namespace, event=event, count=count)
    assert_stored(machine, namespace, rrs=20, counted=60)
    assert dead_letters_about(machine, namespace) == []


async def test_poison_event_is_kept_as_a_dead_letter_and_holds_up_no_other(
    machine: Machine, workloads: dict[str, list[str]]
) -> None:
    namespace = "chain-poison"
    (workload,) = workloads[namespace]
    poison = poison_in(namespace)
    token = source_token(machine)
    for _ in range(2):  # the same one again is kept once
        assert await post_event(machine, host=BROKER, path=f"{NAMESPACE}/sluice", event=poison, token=token) == 202
    create_warning(machine, namespace=namespace, workload=workload)
    await asyncio.to_thread(assert_stored, machine, namespace, rrs=1, counted=1)
    await eventually(lambda: is_kept(machine, namespace), what="the dead letter", within=STORED_WITHIN)
    (kept,) = dead_letters_about(machine, namespace)
    assert {name: kept["spec"][name] for name in ("id", "source", "type")} == {
        name: poison[name] for name in ("id", "source", "type")
    }
    assert json.loads(kept["spec"]["data"]) == poison["data"]
    assert kept["spec"]["failure"]["code"] == "400"
    assert "send the Event as a JSON object" in kept["spec"]["failure"]["answer"]


async def is_kept(machine: Machine, namespace: str) -> bool:
    return bool(dead_letters_about(machine, namespace))


async def test_event_that_was_refused_is_sent_again_once_the_cause_is_gone(
    machine: Machine, workloads: dict[str, list[str]], tmp_path: Path
) -> None:
    namespace = "chain-refused"
    (workload,) = workloads[namespace]
    await asyncio.to_thread(expect_tokens_for, machine, "somebody-else")  # a Trigger that was set wrong
    try:
        create_warning(machine, namespace=namespace, workload=workload)
        await eventually(lambda: is_kept(machine, namespace), what="the dead letter", within=STORED_WITHIN)
    finally:
        await asyncio.to_thread(expect_tokens_for, machine, "sluice")
    (kept,) = dead_letters_about(machine, namespace)
    assert kept["spec"]["failure"]["code"] == "401"
    assert remediation_requests(machine, namespace=namespace) == []

    name = kept["metadata"]["name"]
    refused = await asyncio.to_thread(send_dead_letter, machine, name)
    assert refused.returncode == 1
    assert "the Broker asks for a token, which the API server's proxy takes away" in refused.stderr
    assert len(dead_letters_about(machine, namespace)) == 1

    token = tmp_path / "token"
    token.write_text(source_token(machine))
    async with forwarded_port(machine, BROKER) as url:
        target = (f"--url={url}/{NAMESPACE}/sluice", f"--token-file={token}")
        sent = await asyncio.to_thread(send_dead_letter, machine, name, *target)
    assert (sent.returncode, sent.stdout) == (0, "1 of 1 dead letter taken.\n"), sent.stderr
    await asyncio.to_thread(assert_stored, machine, namespace, rrs=1, counted=1)
    assert dead_letters_about(machine, namespace) == []


def expect_tokens_for(machine: Machine, audience: str) -> None:
    """Let the Trigger send its tokens for `audience`; the function takes those for `sluice`."""
    merge_patch(
        machine, "trigger", "sluice-events", {"spec": {"subscriber": {"audience": audience}}}, namespace=NAMESPACE
    )
    path = f"/apis/eventing.knative.dev/v1/namespaces/{NAMESPACE}/triggers/sluice-events"

    def is_heeded() -> bool:
        trigger = machine.get(path)
        seen, status = trigger["metadata"]["generation"], trigger["status"]
        return bool(status["observedGeneration"] == seen and status.get("subscriberAudience") == audience)

    wait_for(is_heeded, what=f"the Trigger to send tokens for {audience}", within=STORED_WITHIN)


def send_dead_letter(machine: Machine, name: str, *options: str) -> subprocess.CompletedProcess[str]:
    """`sluice dead-letters send`, as somebody at a terminal."""
    command = [str(SCRIPTS / "sluice"), "dead-letters", "send", name, "--yes", f"--namespace={NAMESPACE}", *options]
    environment = {"KUBECONFIG": str(machine.kubeconfig), "HOME": str(machine.folder), "PATH": os.defpath}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@asynccontextmanager
async def forwarded_port(machine: Machine, host: str) -> AsyncIterator[str]:
    """What `kubectl port-forward` gives: a Service of the cluster on loopback. This kubelet forwards no ports."""

    async def forward(request: web.Request) -> web.Response:
        async with machine.control() as control:
            headers = {key: request.headers[key] for key in ("Content-Type", "Authorization") if key in request.headers}
            posting = control.post(f"/inside/{host}{request.path}", data=await request.read(), headers=headers)
            async with posting as answer:
                return web.Response(status=answer.status, body=await answer.read())

    app = web.Application()
    app.router.add_post("/{path:.*}", forward)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


async def test_who_has_no_token_is_refused_by_all_three(machine: Machine, workloads: dict[str, list[str]]) -> None:
    event = poison_in("nowhere")
    statuses = {
        "the Broker": await post_event(machine, host=BROKER, path=f"{NAMESPACE}/sluice", event=event),
        "the function": await post_event(machine, host=host_of(KUBERNETES_EVENT), event=event),
        "the dead letter sink": await post_event(machine, host=host_of(DEAD_LETTERS), event=event),
    }
    assert statuses == dict.fromkeys(statuses, 401)
    assert dead_letters_about(machine, "nowhere") == []


async def test_broker_takes_events_of_no_other_account(machine: Machine, workloads: dict[str, list[str]]) -> None:
    audience = machine.get(f"{BROKERS}/sluice")["status"]["address"]["audience"]
    stranger = machine.token(namespace=NAMESPACE, account="default", audience=audience)
    event = poison_in("nowhere")
    assert await post_event(machine, host=BROKER, path=f"{NAMESPACE}/sluice", event=event, token=stranger) == 403


async def test_events_wait_while_the_api_server_is_away(machine: Machine, workloads: dict[str, list[str]]) -> None:
    namespace = "chain-outage"
    token = machine.token(namespace=NAMESPACE, account=TRIGGER_ACCOUNT, audience="sluice")
    async with machine.control() as control, machine.connect() as gateway:

        async def answers(status: int) -> bool:
            event = {"apiVersion": "v1", "kind": "Event", "name": "none", "namespace": namespace}
            headers = {
                "Host": host_of(KUBERNETES_EVENT),
                "Content-Type": "application/json",
                "ce-specversion": "1.0",
                "ce-id": "1",
                "ce-source": "test",
                "ce-type": "dev.knative.apiserver.ref.add",
                "Authorization": f"Bearer {token}",
            }
            async with gateway.post("/", data=json.dumps(event), headers=headers) as answer:
                return answer.status == status

        await eventually(lambda: answers(200), what="the function to run", within=STORED_WITHIN)
        for each in workloads[namespace]:
            create_warning(machine, namespace=namespace, workload=each)
        await control.post("/api-server/pause")
        try:
            await eventually(lambda: answers(503), what="the function to feel the outage", within=STORED_WITHIN)
        finally:
            await control.post("/api-server/resume")
    assert_stored(machine, namespace, rrs=10, counted=10)
    assert dead_letters_about(machine, namespace) == []
