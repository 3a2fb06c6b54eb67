"""What people see who use kubectl: the same from both servers."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from tests.contract.client import Embedded, Real
from tests.contract.objects import GROUP, remediation_request
from tests.knative.programs import kubectl

if TYPE_CHECKING:
    from pathlib import Path

    from tests.contract.client import Client, Server

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
RR = f"remediationrequests.{GROUP}"
COLUMNS = ["Name", "Phase", "Target", "Count", "Outcome", "Alert", "Cluster", "Source", "Signal NS", "Age"]


class Kubectl:
    """The real kubectl, on one server."""

    def __init__(self, api: Client, folder: Path, namespace: str, ca: Path | None) -> None:
        self._folder = folder
        config = folder / "kubeconfig"
        trust = {"certificate-authority": str(ca)} if ca else {}
        config.write_text(
            json.dumps(
                {
                    "current-context": "t",
                    "contexts": [{"name": "t", "context": {"cluster": "t", "user": "t", "namespace": namespace}}],
                    "clusters": [{"name": "t", "cluster": {"server": api.url} | trust}],
                    "users": [{"name": "t", "user": {"token": api.token}}],
                }
            )
        )
        self._options = (f"--kubeconfig={config}", f"--cache-dir={folder / 'cache'}")

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            str(kubectl()),
            *self._options,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={"HOME": str(self._folder), "PATH": "/usr/bin:/bin"},
        )

    async def __call__(self, *arguments: str, code: int | None = 0) -> str:
        running = await self.start(*arguments)
        shown = (await running.communicate())[0].decode()
        assert code in (running.returncode, None), shown
        return shown


@pytest.fixture
def run(server: Server, namespace: str, tmp_path: Path) -> Kubectl:
    if isinstance(server, Embedded):
        server.let_everybody_in()
    ca_file = server.ca_file if isinstance(server, Real) else None
    return Kubectl(server.admin, tmp_path, namespace, ca_file)


@pytest.fixture
async def explain(run: Kubectl) -> Any:
    """Explain, once the server says what it serves: the real one takes a moment after the definition."""

    async def explain(*arguments: str) -> str:
        while (shown := await run("explain", *arguments, code=None)).startswith("error: couldn't find resource"):
            pass
        return shown

    return explain


def words(text: str) -> list[str]:
    return text.split()


class TestTable:
    async def test_of_a_list_has_the_definition_s_columns(self, api: Client, rrs: str, made: Any):
        reply = await api.get(rrs, headers={"Accept": TABLE})
        body = reply.body
        assert (reply.status, body["kind"], body["apiVersion"]) == (200, "Table", "meta.k8s.io/v1")
        assert [each["name"] for each in body["columnDefinitions"]] == COLUMNS
        name, phase, *_, age = body["columnDefinitions"]
        assert (name["type"], name["format"], name["priority"]) == ("string", "name", 0)
        assert name["description"].startswith("Name must be unique within a namespace.")
        assert phase == {
            "name": "Phase",
            "type": "string",
            "format": "",
            "description": "Custom resource definition column (in JSONPath format): .status.overallPhase",
            "priority": 0,
        }
        assert (age["type"], age["priority"]) == ("date", 0)
        (row,) = body["rows"]
        *cells, age = row["cells"]
        assert cells == ["rr-1", None, "web", 1, None, "HighMemoryUsage", None, None, "prod"]
        assert re.fullmatch(r"\d+s", age)
        assert row["object"]["kind"] == "PartialObjectMetadata"
        assert row["object"]["metadata"] == made["metadata"]
        assert "spec" not in row["object"]

    async def test_of_one_object_has_one_row(self, api: Client, rrs: str, made: Any):
        body = (await api.get(f"{rrs}/rr-1", headers={"Accept": TABLE})).body
        assert body["metadata"] == {"resourceVersion": made["metadata"]["resourceVersion"]}
        assert [row["cells"][0] for row in body["rows"]] == ["rr-1"]

    @pytest.mark.parametrize(("include", "kind"), [("Object", "RemediationRequest"), ("None", None)])
    async def test_carries_what_is_asked_for(self, api: Client, rrs: str, made: Any, include: str, kind: str | None):
        body = (await api.get(rrs, headers={"Accept": TABLE}, includeObject=include)).body
        (row,) = body["rows"]
        assert (row["object"] and row["object"]["kind"]) == kind
        assert (row["object"] or made).get("spec") == made["spec"]

    async def test_refuses_to_carry_anything_else(self, api: Client, rrs: str, made: Any):
        reply = await api.get(rrs, headers={"Accept": TABLE}, includeObject="x")
        assert reply.status == 400
        why = "includeObject: Invalid value: \"x\": must be 'Metadata', 'Object', 'None', or empty"
        assert reply.body["message"] == f"Unable to convert to Table as requested: {why}"

    async def test_of_another_version_or_nothing_known_is_left_for_json(self, api: Client, rrs: str, made: Any):
        accept = "application/json;as=Table;v=v9;g=meta.k8s.io,application/json"
        assert (await api.get(rrs, headers={"Accept": accept})).body["kind"] == "RemediationRequestList"


class TestGet:
    async def test_shows_the_columns(self, run: Kubectl, api: Client, rrs: str, made: Any):
        status = {"overallPhase": "Executing", "outcome": "Remediated", "deduplication": {"occurrenceCount": 7}}
        assert (await api.patch(f"{rrs}/rr-1/status", {"status": status})).status == 200
        heads, row = (await run("get", "rr")).splitlines()
        assert words(heads) == ["NAME", "PHASE", "TARGET", "COUNT", "OUTCOME", "ALERT", "AGE"]
        assert words(row)[:-1] == ["rr-1", "Executing", "web", "7", "Remediated", "HighMemoryUsage"]
        wide = (await run("get", "rr/rr-1", "-o", "wide")).splitlines()[0]
        assert wide.split("   ")[0] == "NAME"
        assert words(wide)[-5:] == ["CLUSTER", "SOURCE", "SIGNAL", "NS", "AGE"]

    async def test_sorts_and_selects(self, run: Kubectl, api: Client, rrs: str, made: Any):
        assert (await api.post(rrs, remediation_request("rr-0"))).status == 201
        shown = await run("get", "rr", "--sort-by=.metadata.name", "--no-headers")
        assert [words(line)[0] for line in shown.splitlines()] == ["rr-0", "rr-1"]
        chosen = await run("get", "rr", "--field-selector=spec.severity=critical", "-o", "name")
        assert words(chosen) == [f"remediationrequest.{GROUP}/rr-0", f"remediationrequest.{GROUP}/rr-1"]

    async def test_follows_changes(self, run: Kubectl, api: Client, rrs: str, made: Any):
        watching = await run.start("get", "rr", "-w")
        assert watching.stdout
        try:
            lines = [words((await watching.stdout.readline()).decode()) for _ in range(2)]
            assert [line[0] for line in lines] == ["NAME", "rr-1"]
            await api.patch(f"{rrs}/rr-1/status", {"status": {"overallPhase": "Verifying"}})
            assert words((await watching.stdout.readline()).decode())[:2] == ["rr-1", "Verifying"]
            assert (await api.post(rrs, remediation_request("rr-2"))).status == 201
            assert words((await watching.stdout.readline()).decode())[0] == "rr-2"
        finally:
            watching.kill()
            await watching.communicate()


class TestExplain:
    async def test_tells_the_kind_with_the_fields_that_all_have(self, explain: Any):
        shown = await explain("rr")
        assert shown.startswith(f"GROUP:      {GROUP}\nKIND:       RemediationRequest\nVERSION:    v1alpha1\n")
        fields = re.findall(r"^  (\w+)\t(.*)$", shown, re.MULTILINE)
        assert fields == [
            ("apiVersion", "<string>"),
            ("kind", "<string>"),
            ("metadata", "<ObjectMeta>"),
            ("spec", "<Object> -required-"),
            ("status", "<Object>"),
        ]
        text = " ".join(words(shown))
        assert "A problem to remedy. At most one active RemediationRequest stands for each fingerprint." in text
        assert "APIVersion defines the versioned schema of this representation of an object." in text
        assert "Standard object's metadata. More info: https://git.k8s.io/" in text

    async def test_tells_a_field_and_what_is_in_it(self, explain: Any):
        shown = await explain("rr.spec.targetResource")
        assert re.findall(r"^  (\w+)\t(.*)$", shown, re.MULTILINE) == [
            ("apiVersion", "<string>"),
            ("kind", "<string> -required-"),
            ("name", "<string> -required-"),
            ("namespace", "<string>"),
        ]
        assert "The resource to remedy; the namespace is empty for cluster-scoped kinds." in " ".join(words(shown))

    async def test_tells_all_that_a_status_has(self, explain: Any):
        shown = await explain("rr.status", "--recursive")
        lines = ["  deduplication\t<Object>", "    firstSeenAt\t<string>", "  overallPhase\t<string>"]
        assert [each for each in lines if each not in shown.splitlines()] == []

    @pytest.mark.parametrize(
        ("field", "line"),
        [
            ("rr.metadata", "  ownerReferences\t<[]OwnerReference>"),
            ("deployment.spec", "  template\t<PodTemplateSpec> -required-"),
            ("pod.spec.containers", "  ports\t<[]ContainerPort>"),
            ("lease.spec", "  holderIdentity\t<string>"),
            ("event.involvedObject", "  kind\t<string>"),
        ],
    )
    async def test_knows_the_fields_of_built_in_kinds(self, explain: Any, field: str, line: str):
        assert line in (await explain(field)).splitlines()

    async def test_of_a_field_that_is_none_fails(self, run: Kubectl, explain: Any):
        await explain("rr")
        assert 'field "nonsense" does not exist' in await run("explain", "rr.nonsense", code=1)


class TestDescribe:
    async def test_shows_every_part(self, run: Kubectl, made: Any):
        shown = await run("describe", "rr", "rr-1")
        lines = [" ".join(words(line)) for line in shown.splitlines()]
        assert lines[0] == "Name: rr-1"
        for line in ("Signal Name: HighMemoryUsage", "Severity: critical", "Occurrence Count: 1", "Events: <none>"):
            assert line in lines


class TestWait:
    CONDITION: ClassVar[Any] = {
        "type": "SignalResolved",
        "status": "True",
        "reason": "AllResolved",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }

    async def test_ends_with_the_condition(self, run: Kubectl, api: Client, rrs: str, made: Any):
        waiting = await run.start("wait", "rr/rr-1", "--for=condition=SignalResolved", "--timeout=300s")
        await api.patch(f"{rrs}/rr-1/status", {"status": {"conditions": [self.CONDITION]}})
        shown = (await waiting.communicate())[0].decode()
        assert (waiting.returncode, shown) == (0, f"remediationrequest.{GROUP}/rr-1 condition met\n")

    async def test_ends_with_a_phase(self, run: Kubectl, api: Client, rrs: str, made: Any):
        waiting = await run.start("wait", "rr/rr-1", "--for=jsonpath={.status.overallPhase}=Completed")
        await api.patch(f"{rrs}/rr-1/status", {"status": {"overallPhase": "Completed"}})
        assert (await waiting.communicate())[0].decode() == f"remediationrequest.{GROUP}/rr-1 condition met\n"

    async def test_says_that_it_waited_in_vain(self, run: Kubectl, made: Any):
        shown = await run("wait", "rr", "--all", "--for=condition=SignalResolved", "--timeout=1s", code=1)
        assert shown == "error: timed out waiting for the condition on remediationrequests/rr-1\n"


class TestWrites:
    DEPLOYMENT: ClassVar[Any] = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": "web"}]},
            },
        },
    }

    @pytest.fixture
    def manifest(self, tmp_path: Path) -> str:
        (tmp_path / "web.json").write_text(json.dumps(self.DEPLOYMENT))
        return str(tmp_path / "web.json")

    async def test_create_apply_patch_and_delete(self, run: Kubectl, manifest: str):
        assert await run("create", "-f", manifest) == "deployment.apps/web created\n"
        status = json.dumps({"status": {"replicas": 2, "readyReplicas": 2, "availableReplicas": 2}})
        patch = ("patch", "deployment", "web", "--subresource=status", "--type=merge", "-p", status)
        assert await run(*patch) == "deployment.apps/web patched\n"
        assert await run("get", "deployment", "web", "-o", "jsonpath={.status.availableReplicas}") == "2"
        assert await run("rollout", "restart", "deployment/web") == "deployment.apps/web restarted\n"
        assert await run("get", "deployment", "web", "-o", "jsonpath={.metadata.generation}") == "2"
        assert await run("annotate", "deployment", "web", "a=b") == "deployment.apps/web annotated\n"
        assert await run("label", "deployment", "web", "a=b") == "deployment.apps/web labeled\n"
        assert "deleted" in await run("delete", "deployment", "web")

    async def test_field_that_is_none_is_refused(self, run: Kubectl, tmp_path: Path, made: Any):
        wrong = remediation_request("rr-9") | {"apiVersion": f"{GROUP}/v1alpha1", "kind": "RemediationRequest"}
        wrong["spec"]["nonsense"] = "x"
        (tmp_path / "rr.json").write_text(json.dumps(wrong))
        shown = await run("create", "-f", str(tmp_path / "rr.json"), code=1)
        assert 'unknown field "spec.nonsense"' in shown
