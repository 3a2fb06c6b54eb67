"""The API without sockets: one call in, one answer out, the same every time."""

import json
from datetime import timedelta
from typing import Any

import pytest

from core.common.clock import MockClock
from core.local.embedded import Access, Call, EmbeddedApi, Rule, User, load_crd
from core.local.embedded.kinds import CRDS
from tests.unit.local.embedded.conftest import LEASES, RRS, Caller, remediation_request

CRD_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


class TestDeterminism:
    def test_uids_names_and_times_come_from_outside(self, caller: Caller):
        made = caller.call("POST", LEASES, {"metadata": {"generateName": "l-"}}, expect=201)
        assert made["metadata"]["uid"] == "uid-6"  # after four namespaces and the CRD
        assert made["metadata"]["creationTimestamp"] == "2026-01-02T03:04:05Z"
        assert made["metadata"]["name"] == "l-f52jr"

    def test_date_is_the_apis_own(self, caller: Caller, clock: MockClock):
        assert caller.answer("GET", LEASES).headers["Date"] == "Fri, 02 Jan 2026 03:04:05 GMT"
        clock.advance(timedelta(hours=1))
        assert caller.answer("GET", "/nonsense").headers["Date"] == "Fri, 02 Jan 2026 04:04:05 GMT"

    def test_two_apis_share_nothing(self, caller: Caller):
        caller.lease("l-1")
        assert Caller(EmbeddedApi()).names(LEASES) == []


class TestKinds:
    def test_a_group_of_ones_own(self):
        caller = Caller(EmbeddedApi(crds=[load_crd(group="kubernaut.ai")]))
        body = remediation_request("rr-1") | {"apiVersion": "kubernaut.ai/v1alpha1"}
        path = RRS.replace("remediation.kubernaut.ai", "kubernaut.ai")
        assert caller.call("POST", path, body, expect=201)["metadata"]["generation"] == 1
        assert caller.answer("GET", RRS).body == b"404 page not found\n"

    def test_no_definition_at_all(self):
        caller = Caller(EmbeddedApi(crds=[]))
        assert caller.answer("POST", RRS, remediation_request("rr-1")).status == 404
        caller.call("POST", CRD_PATH, load_crd(), expect=201)
        caller.remediation_request("rr-1")

    def test_a_definition_that_goes_takes_the_kind_with_it(self, caller: Caller):
        caller.remediation_request("rr-1")
        caller.call("DELETE", f"{CRD_PATH}/{load_crd()['metadata']['name']}")
        assert caller.answer("GET", RRS).status == 404

    def test_and_its_objects(self, caller: Caller):
        caller.remediation_request("rr-1")
        caller.call("DELETE", f"{CRD_PATH}/{load_crd()['metadata']['name']}")
        caller.call("POST", CRD_PATH, load_crd(), expect=201)
        assert caller.names(RRS) == []

    def test_a_definition_that_is_changed_is_served_as_changed(self, caller: Caller):
        name = load_crd()["metadata"]["name"]
        crd = caller.call("GET", f"{CRD_PATH}/{name}")
        crd["spec"]["versions"][0]["selectableFields"] = []
        caller.call("PUT", f"{CRD_PATH}/{name}", crd)
        caller.remediation_request("rr-1")
        assert caller.answer("GET", RRS, fieldSelector="spec.severity=critical").status == 400

    def test_namespaces_of_ones_own(self):
        caller = Caller(EmbeddedApi(namespaces=["sluice-system", "default"]))
        caller.call("POST", LEASES.replace("default", "sluice-system"), {"metadata": {"name": "l"}}, expect=201)

    def test_a_definition_without_what_it_needs_is_refused(self, caller: Caller):
        reply = caller.call("POST", CRD_PATH, {"metadata": {"name": "a.b"}, "spec": {}}, expect=422)
        assert reply["details"]["causes"][0]["field"] == "spec"

    def test_a_definition_with_checks_unknown_here_is_refused(self, caller: Caller):
        crd = load_crd(group="other.example")
        crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["anyOf"] = []
        reply = caller.call("POST", CRD_PATH, crd, expect=422)
        assert "schema of spec: the embedded API does not know anyOf" in reply["message"]

    def test_definitions_are_listed_like_any_object(self, caller: Caller):
        assert caller.names(CRD_PATH) == [load_crd()["metadata"]["name"]]
        assert CRDS.short_names == ("crd", "crds")


class TestAccess:
    def test_without_tokens_everybody_may_everything(self, caller: Caller):
        assert caller.answer("GET", LEASES).status == 200
        assert Caller(caller.api, {"authorization": "Bearer anything"}).answer("GET", LEASES).status == 200

    @pytest.fixture
    def guarded(self) -> EmbeddedApi:
        rule = Rule(
            subjects=["writers"],
            verbs=["*"],
            api_groups=["coordination.k8s.io"],
            resources=["leases"],
            resource_names=["mine"],
        )
        tokens = {"good": User("gateway", ("writers",))}
        return EmbeddedApi(access=Access(tokens=tokens, rules=[rule]))

    @pytest.mark.parametrize(
        ("authorization", "status"),
        [
            ("Bearer good", 404),
            ("bearer  good ", 404),
            ("Bearer bad", 401),
            ("Bearer ", 403),
            ("Basic good", 403),
            ("", 403),
        ],
    )
    def test_the_scheme_must_be_bearer(self, guarded: EmbeddedApi, authorization: str, status: int):
        caller = Caller(guarded, {"authorization": authorization} if authorization else {})
        assert caller.answer("GET", f"{LEASES}/mine").status == status

    def test_a_rule_may_name_its_objects(self, guarded: EmbeddedApi):
        caller = Caller(guarded, {"authorization": "Bearer good"})
        assert caller.answer("DELETE", f"{LEASES}/mine").status == 404
        assert caller.answer("DELETE", f"{LEASES}/yours").status == 403

    def test_a_watch_is_refused_like_any_call(self, guarded: EmbeddedApi):
        assert guarded.open_watch(Call(method="GET", path=LEASES, query={"watch": "1"})) is None
        answer = Caller(guarded).answer("GET", LEASES, watch="1")
        assert answer.status == 403


class TestWhatIsNotDoneHereIsRefused:
    @pytest.mark.parametrize(
        ("method", "path", "body", "query", "words"),
        [
            ("POST", LEASES, {"metadata": {"name": "l"}}, {"dryRun": "All"}, "no dryRun"),
            ("DELETE", f"{LEASES}/l", None, {"dryRun": "All"}, "no dryRun"),
            ("DELETE", f"{LEASES}/l", {"dryRun": ["All"]}, {}, "no dryRun"),
            ("DELETE", f"{LEASES}/l", {"propagationPolicy": "Foreground"}, {}, "in the background only"),
            ("GET", LEASES, None, {"resourceVersion": "1", "resourceVersionMatch": "Exact"}, "NotOlderThan only"),
        ],
    )
    def test_with_a_sentence(  # noqa: PLR0917
        self, caller: Caller, method: str, path: str, body: Any, query: dict[str, str], words: str
    ):
        assert words in caller.call(method, path, body, expect=400, **query)["message"]

    @pytest.mark.parametrize(("method", "path"), [("DELETE", LEASES), ("HEAD", LEASES), ("TRACE", f"{LEASES}/l")])
    def test_with_a_405(self, caller: Caller, method: str, path: str):
        assert caller.answer(method, path).status == 405

    def test_deleting_a_status(self, caller: Caller):
        caller.remediation_request("rr-1")
        assert caller.answer("DELETE", f"{RRS}/rr-1/status").status == 405


class TestGeneratedNames:
    def test_that_are_all_taken_end_in_a_conflict(self, clock: MockClock):
        class Stuck:
            def choices(self, population: str, k: int) -> list[str]:
                return [population[0]] * k

        caller = Caller(EmbeddedApi(clock=clock, random=Stuck()))  # type: ignore[arg-type]
        body = {"metadata": {"generateName": "l-"}}
        caller.call("POST", LEASES, body, expect=201)
        answer = caller.answer("POST", LEASES, body)
        status = json.loads(answer.body)
        assert (answer.status, status["reason"], answer.headers["Retry-After"]) == (409, "AlreadyExists", "1")
        assert "not able to generate a unique name" in status["message"]
