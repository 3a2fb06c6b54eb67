"""The doctor finds what is broken on purpose, on the embedded API and on a real one."""

from __future__ import annotations

import base64
import json
import ssl
from contextlib import asynccontextmanager
from copy import deepcopy
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from core.common.clock import RealClock
from core.common.resilience import CircuitBreaker
from core.kube.client import KubeClient, path_of
from core.kube.transport import HttpTransport, StaticToken
from core.local.doctor import Finding, Level, Visit, examine
from core.local.doctor.visit import Times
from core.local.embedded import load_crd
from core.settings import Settings
from core.triggers.dead_letter import DEAD_LETTERS
from tests.contract.conftest import CRDS
from tests.contract.objects import remediation_request
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime

    from tests.contract.client import Client, Server

    Doctor = Callable[..., Any]

KNATIVE = Path(__file__).parents[2] / "knative"
GROUP = "remediation.kubernaut.ai"
RRS = {"apiGroups": [GROUP], "resources": ["remediationrequests"], "verbs": ["create", "get", "list"]}
COUNTS = {"apiGroups": [GROUP], "resources": ["remediationrequests/status"], "verbs": ["patch"]}
LEASES = {
    "apiGroups": ["coordination.k8s.io"],
    "resources": ["leases"],
    "verbs": ["create", "get", "update", "delete"],
}
SEND = {"apiGroups": [GROUP], "resources": ["remediationrequests/signals"], "verbs": ["create"]}


@pytest.fixture
async def doctor(server: Server, namespace: str) -> AsyncIterator[Doctor]:
    """Examine the server as somebody, with settings of a function."""
    clients: list[KubeClient] = []

    async def visit(
        as_whom: Client | None = None, *, clock: Any = None, token: str = "", account: str = "", **settings: Any
    ) -> list[Finding]:
        who = as_whom or server.admin
        clock = clock or RealClock()
        transport = HttpTransport(
            server=who.url,
            tls=who.tls if isinstance(who.tls, ssl.SSLContext) else None,
            tokens=StaticToken(who.token),
            user_agent="doctor/test",
            connections=2,
        )
        times = Times()
        breaker = CircuitBreaker(clock=clock)
        clients.append(KubeClient(transport=transport, breaker=breaker, call_timeout=60.0, observe=times))
        given = Settings(**({"namespace": namespace, "auth": "none", "owners": "as-named"} | settings))
        return await examine(
            Visit(client=clients[-1], settings=given, clock=clock, token=token, account=account, times=times)
        )

    yield visit
    for client in clients:
        await client.close()


def of(check: str, findings: list[Finding]) -> list[Finding]:
    """What was found by one check."""
    return [finding for finding in findings if finding.check == check]


def levels(check: str, findings: list[Finding]) -> set[str]:
    return {finding.level.value for finding in of(check, findings)}


@pytest.fixture
async def definition(api: Client) -> AsyncIterator[dict[str, Any]]:
    """A definition of another group, to be broken: it goes when the test ends."""
    crd = deepcopy(load_crd(group="doctor.example.com"))
    yield crd
    url = f"{CRDS}/{crd['metadata']['name']}"
    await api.delete(url)

    async def gone() -> bool:
        return (await api.get(url)).status == 404

    await eventually(gone, what="the definition to be gone", within=30)  # the next test makes it again


async def apply(api: Client, crd: dict[str, Any]) -> None:
    made = await api.post(CRDS, crd)
    assert made.status == 201, made.body


async def test_cluster_that_is_right_has_no_failure(doctor):
    findings = await doctor()
    assert [finding for finding in findings if finding.level is Level.FAILURE] == []
    assert {"server", "namespace", "definition", "selector", "permissions", "latency"} <= {
        finding.check for finding in findings if finding.level is Level.OK
    }


async def test_time_of_each_kind_of_call_is_told(doctor):
    (finding,) = of("latency", await doctor())
    for call in ("list remediationrequests", "get namespaces", "get customresourcedefinitions", "create selfsubject"):
        assert call in finding.message


async def test_every_finding_that_is_not_well_has_a_remedy(doctor, server, namespace):
    _, token = await server.new_user(namespace)
    findings = await doctor(server.with_token(token))
    assert all(finding.remedy for finding in findings if finding.level is not Level.OK)


async def test_cluster_that_rrs_name_and_no_setting_knows(doctor, server, namespace):
    body = remediation_request("rr-east", clusterID="east")
    made = await server.admin.post(f"/apis/{GROUP}/v1alpha1/namespaces/{namespace}/remediationrequests", body)
    assert made.status == 201, made.body

    (finding,) = of("clusters", await doctor())
    assert finding.level is Level.WARNING
    assert "'east'" in finding.message
    assert "set SLUICE_CLUSTER to this name" in finding.remedy
    assert levels("clusters", await doctor(cluster="east")) == {"ok"}


async def test_no_more_rrs_than_its_limit_are_read_for_their_clusters(doctor, server, namespace, monkeypatch):
    monkeypatch.setattr("core.local.doctor.clusters._LOOKED_AT", 1)
    for name in ("east", "west"):
        body = remediation_request(f"rr-{name}", clusterID=name)
        made = await server.admin.post(f"/apis/{GROUP}/v1alpha1/namespaces/{namespace}/remediationrequests", body)
        assert made.status == 201, made.body
    (finding,) = of("clusters", await doctor())
    assert "'east'" in finding.message


async def test_namespace_that_does_not_exist(doctor):
    (finding,) = of("namespace", await doctor(namespace="nowhere-at-all"))
    assert finding.level is Level.FAILURE
    assert "kubectl create namespace nowhere-at-all" in finding.remedy


async def test_profile_of_kubernaut_is_told_and_its_reads_too(doctor):
    assert of("profile", await doctor()) == []
    kubernaut = {"profile": "kubernaut", "group": "kubernaut.ai"}
    (finding,) = of("profile", await doctor(**kubernaut, reads="consistent"))
    assert finding.level is Level.OK
    (finding,) = of("profile", await doctor(**kubernaut, reads="fenced"))
    assert finding.level is Level.WARNING
    assert "may make a second RR" in finding.message


async def test_definition_that_is_missing(doctor):
    findings = await doctor(group="missing.example.com")
    (finding,) = of("definition", findings)
    assert (finding.level, finding.message) == (
        Level.FAILURE,
        "remediationrequests.missing.example.com is not defined",
    )
    assert levels("selector", findings) == {"failure"}


async def test_version_that_is_not_served(doctor):
    (finding,) = of("definition", await doctor(version="v9"))
    assert finding.level is Level.FAILURE
    assert "does not serve version v9" in finding.message


async def test_definition_without_the_selectable_field(doctor, api, definition):
    del definition["spec"]["versions"][0]["selectableFields"]
    await apply(api, definition)
    findings = await doctor(group="doctor.example.com")
    (finding,) = of("definition", findings)
    assert "has no selectable field .spec.signalFingerprint" in finding.message
    assert finding.remedy == "kubectl apply -k knative/cluster"


async def test_definition_of_another_gateway_is_not_to_be_replaced(doctor, api, definition):
    del definition["metadata"]["labels"]
    del definition["spec"]["versions"][0]["selectableFields"]
    await apply(api, definition)
    (finding,) = of("definition", await doctor(group="doctor.example.com"))
    assert finding.level is Level.FAILURE
    assert finding.remedy.startswith("this definition is not Sluice's own")
    assert "would replace it" in finding.remedy


async def test_definition_that_prunes_the_count(doctor, api, definition):
    status = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]
    del status["properties"]["deduplication"]
    status.pop("x-kubernetes-preserve-unknown-fields", None)
    await apply(api, definition)
    (finding,) = of("definition", await doctor(group="doctor.example.com"))
    assert finding.level is Level.FAILURE
    assert "drops status.deduplication.occurrenceCount" in finding.message


@pytest.mark.parametrize(
    ("rules", "missing"),
    [
        ([COUNTS, LEASES, RRS | {"verbs": ["get", "list"]}], f"may not create remediationrequests.{GROUP}"),
        ([RRS, LEASES], f"may not patch remediationrequests.{GROUP}/status"),
        ([RRS, COUNTS, LEASES | {"verbs": ["create", "get", "delete"]}], "may not update leases.coordination.k8s.io"),
    ],
    ids=["create", "status", "leases"],
)
async def test_right_that_is_missing_is_named_with_its_rule(doctor, server, namespace, rules, missing):
    _, token = await server.new_user(namespace, *rules)
    (finding,) = of("permissions", await doctor(server.with_token(token)))
    assert finding.level is Level.FAILURE
    assert missing in finding.message
    assert "apiGroups: [" in finding.remedy


async def test_rights_of_the_functions_account_are_asked_for_another(doctor, server, namespace):
    await server.new_user(namespace, RRS, LEASES)  # the account `caller`
    (finding,) = of("permissions", await doctor(account="caller"))
    assert finding.message == f"the account caller may not patch remediationrequests.{GROUP}/status"


async def test_account_with_every_right_is_well(doctor, server, namespace):
    _, token = await server.new_user(namespace, RRS, COUNTS, LEASES)
    assert levels("permissions", await doctor(server.with_token(token))) == {"ok"}


async def test_rights_to_ask_about_senders_are_needed_where_senders_are_asked(doctor, server, namespace):
    _, token = await server.new_user(namespace, RRS, COUNTS, LEASES)
    found = of("permissions", await doctor(server.with_token(token), auth="kubernetes"))
    assert [finding.message.split()[-1] for finding in found] == [
        "tokenreviews.authentication.k8s.io",
        "subjectaccessreviews.authorization.k8s.io",
    ]


class Skewed(RealClock):
    """A machine whose wall clock is an hour slow."""

    def now(self) -> datetime:
        return super().now() - timedelta(hours=1)


async def test_clocks_that_differ(doctor):
    (finding,) = of("clock", await doctor(clock=Skewed()))
    assert finding.level is Level.WARNING
    assert "ahead of this machine's" in finding.message


class TestSender:
    async def test_without_a_check_is_warned_of(self, doctor):
        assert levels("sender", await doctor(auth="none")) == {"warning"}

    async def test_with_the_rule_is_let_in(self, doctor, server, namespace):
        _, token = await server.new_user(namespace, SEND)
        assert levels("sender", await doctor(auth="kubernetes", token=token)) == {"ok"}

    async def test_without_the_rule_is_told_which(self, doctor, server, namespace):
        user, token = await server.new_user(namespace)
        (finding,) = of("sender", await doctor(auth="kubernetes", token=token))
        assert finding.level is Level.FAILURE
        assert finding.message.startswith(f"the token is refused with 403: {user} may not send signals")

    async def test_with_an_unknown_token(self, doctor):
        (finding,) = of("sender", await doctor(auth="kubernetes", token="made-up"))
        assert "refused with 401" in finding.message

    @pytest.mark.parametrize(
        ("claims", "message"),
        [
            ({"exp": 1_000_000_000}, "the token ran out"),
            ({"aud": ["other"]}, "the token is for other, and SLUICE_AUDIENCES takes sluice"),
        ],
    )
    async def test_with_a_token_that_is_over_or_for_another(self, doctor, claims, message):
        payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
        findings = await doctor(auth="kubernetes", audiences="sluice", token=f"e30.{payload}.c2ln")
        assert of("sender", findings)[0].message.startswith(message)


async def test_missing_flow_schema_is_a_warning(doctor):
    assert levels("flow-control", await doctor()) == {"warning"}


async def test_server_that_does_not_answer_is_the_only_thing_said(doctor, server):
    nobody = server.with_token("")
    object.__setattr__(nobody, "url", "http://127.0.0.1:1")
    object.__setattr__(nobody, "tls", None)
    findings = await doctor(nobody)
    assert [(finding.check, finding.level) for finding in findings] == [("server", Level.FAILURE)]


class TestKnative:
    """Knative's own definitions are not needed: what counts is what the objects say."""

    @pytest.fixture
    async def services(self, api: Client, namespace: str) -> AsyncIterator[str]:
        async with served(api, namespace, "serving.knative.dev", "services", "Service") as path:
            yield path

    @pytest.fixture
    async def eventing(self, api: Client, namespace: str) -> AsyncIterator[dict[str, str]]:
        """By kind, where its objects are."""
        async with (
            served(api, namespace, "eventing.knative.dev", "brokers", "Broker") as brokers,
            served(api, namespace, "eventing.knative.dev", "triggers", "Trigger") as triggers,
            served(api, namespace, "sources.knative.dev", "apiserversources", "ApiServerSource") as sources,
        ):
            yield {"Broker": brokers, "Trigger": triggers, "ApiServerSource": sources}

    async def test_is_not_spoken_of_where_it_is_not_served(self, doctor):
        assert of("knative", await doctor()) == []

    async def test_services_not_ready_or_behind_or_missing(self, doctor, api, services):
        def service(name: str, ready: str, created: str) -> dict[str, Any]:
            return {
                "apiVersion": "serving.knative.dev/v1",
                "kind": "Service",
                "metadata": {"name": name},
                "status": {
                    "conditions": [{"type": "Ready", "status": ready, "message": "no image"}],
                    "latestCreatedRevisionName": created,
                    "latestReadyRevisionName": "r-1",
                },
            }

        await api.post(services, service("sluice-alertmanager", "False", "r-1"))
        await api.post(services, service("sluice-kubernetes-event", "True", "r-2"))
        found = of("knative", await doctor())
        assert [(finding.level.value, finding.message) for finding in found] == [
            ("failure", "Service sluice-alertmanager is not ready: no image"),
            ("failure", "Service sluice-kubernetes-event still serves revision r-1: r-2 is not ready"),
            ("warning", "there is no Service sluice-pubsub"),
            ("warning", "there is no Service sluice-dead-letters"),
        ]

    async def test_broker_trigger_and_source_not_ready_or_missing(self, doctor, api, eventing):
        def condition(status: str, message: str) -> dict[str, Any]:
            return {"conditions": [{"type": "Ready", "status": status, "message": message}]}

        async def make(kind: str, name: str, status: dict[str, Any]) -> None:
            group = eventing[kind].split("/")[2]
            obj = {"apiVersion": f"{group}/v1", "kind": kind, "metadata": {"name": name}, "status": status}
            assert (await api.post(eventing[kind], obj)).status == 201

        await make("Broker", "sluice", condition("True", ""))
        await make("Trigger", "sluice-events", condition("Unknown", "the subscriber has no address"))
        found = of("knative", await doctor())
        assert [(finding.level.value, finding.message) for finding in found] == [
            ("ok", "Broker sluice is ready"),
            ("failure", "Trigger sluice-events is not ready: the subscriber has no address"),
            ("warning", "there is no ApiServerSource sluice-events"),
        ]
        assert "kubectl describe triggers.eventing.knative.dev" in found[1].remedy


class TestDeadLetters:
    async def test_are_counted_and_the_way_to_them_is_told(self, doctor, api, namespace):
        definition = yaml.safe_load((KNATIVE / "cluster" / "dead-letter-crd.yaml").read_text())
        assert (await api.post(CRDS, definition)).status in (201, 409)
        path = path_of(DEAD_LETTERS, namespace=namespace)
        while (await api.get(path, resourceVersion="0", limit="1")).status != 200:
            pass
        assert levels("dead-letters", await doctor()) == {"ok"}
        for number in ("1", "2"):
            spec = {"type": "t", "source": "s", "id": number}
            named = {"apiVersion": DEAD_LETTERS.api_version, "kind": DEAD_LETTERS.kind}
            made = await api.post(path, named | {"metadata": {"name": f"dead-letter-{number}"}, "spec": spec})
            assert made.status == 201, made.body
        (finding,) = of("dead-letters", await doctor())
        assert finding.level is Level.WARNING
        assert finding.message.startswith("2 events could not be delivered, the first kept at 20")
        assert "sluice dead-letters list" in finding.remedy


@asynccontextmanager
async def served(api: Client, namespace: str, group: str, plural: str, kind: str) -> AsyncIterator[str]:
    """Have the API server serve a kind whose objects may say anything; where they are."""
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"status": anything}}}
    names = {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"}
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": names,
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }
    await apply(api, crd)
    path = f"/apis/{group}/v1/namespaces/{namespace}/{plural}"
    while (await api.get(path, resourceVersion="0", limit="1")).status != 200:
        pass
    yield path
    await api.delete(f"{CRDS}/{plural}.{group}")
