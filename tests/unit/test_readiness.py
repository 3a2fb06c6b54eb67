"""What /readyz makes of a definition and of rules; tests/contract/test_readiness.py has the real API server's."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from core.common.clock import MockClock
from core.common.resilience import Deadline
from core.kube.errors import UnreadableAnswerError
from core.local.embedded import EmbeddedApi
from core.readiness import fields_dropped, rights_missing
from tests.support.instances import NAMESPACE, RRS, START, World

LOOK, DEFINITION, RULES = "LIST remediationrequests", "GET openapi", "CREATE selfsubjectrulesreviews"
COUNTED = {"occurrenceCount": {"type": "integer"}, "firstSeenAt": {"type": "string"}, "lastSeenAt": {"type": "string"}}
KEEPS_ALL = {"x-kubernetes-preserve-unknown-fields": True}
ALL = [f"status.deduplication.{name}" for name in COUNTED]
ENOUGH = [
    {"apiGroups": ["remediation.kubernaut.ai"], "resources": ["remediationrequests"], "verbs": ["*"]},
    {"apiGroups": ["remediation.kubernaut.ai"], "resources": ["*/status"], "verbs": ["patch"]},
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create", "get", "update"]},
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["delete"]},
]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    clock = MockClock(START)
    world = World(EmbeddedApi(clock=clock, namespaces=[NAMESPACE]).app, clock)
    yield world
    await world.close()


def published(status: Any, **kind: str) -> dict[str, Any]:
    named = {"group": "remediation.kubernaut.ai", "version": "v1alpha1", "kind": "RemediationRequest"} | kind
    schema = {"properties": {"status": status}, "x-kubernetes-group-version-kind": [named]}
    return {"components": {"schemas": {"other": {"type": "object"}, "rr": schema}}}


@pytest.mark.parametrize(
    ("status", "dropped"),
    [
        ({"properties": {"deduplication": {"properties": COUNTED}}}, []),
        ({"properties": {"deduplication": {"properties": {"occurrenceCount": {}}}}}, ALL[1:]),
        ({"properties": {"overallPhase": {}}}, ALL),
        ({}, ALL),
        (KEEPS_ALL, []),
        ({"properties": {"deduplication": KEEPS_ALL}}, []),
        ({"additionalProperties": {"type": "string"}}, []),
        ({"properties": {"overallPhase": {}}, "x-kubernetes-preserve-unknown-fields": False}, ALL),
    ],
)
def test_definition_stores_what_it_has_or_keeps_whole(status: Any, dropped: list[str]):
    assert fields_dropped(published(status), RRS) == dropped


@pytest.mark.parametrize("document", [{}, {"components": 3}, published({}, kind="Other"), published({}, version="v2")])
def test_document_that_does_not_speak_of_the_kind_tells_nothing(document: Any):
    assert fields_dropped(document, RRS) == []


def test_rules_that_are_enough_in_parts_are_enough():
    assert rights_missing({"status": {"resourceRules": ENOUGH}}, RRS) == []


@pytest.mark.parametrize(
    ("rules", "missing"),
    [
        (ENOUGH[:3], ['apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: ["delete"]']),
        (
            [ENOUGH[0], *ENOUGH[2:]],
            [
                'apiGroups: ["remediation.kubernaut.ai"], resources: ["remediationrequests/status"], verbs: ["patch"]',
            ],
        ),
        (
            [*ENOUGH[1:], ENOUGH[0] | {"resourceNames": ["rr-one"]}],
            [
                'apiGroups: ["remediation.kubernaut.ai"], resources: ["remediationrequests"], '
                'verbs: ["create", "get", "list"]'
            ],
        ),
    ],
)
def test_each_rule_that_is_missing_is_named(rules: Any, missing: list[str]):
    assert rights_missing({"status": {"resourceRules": rules}}, RRS) == missing


def test_authorizer_that_cannot_list_its_rules_is_not_judged():
    assert rights_missing({"status": {"resourceRules": [], "incomplete": True}}, RRS) == []


@pytest.mark.parametrize("answer", [{}, {"status": {}}, {"status": {"resourceRules": 3}}])
def test_answer_that_is_no_review_is_not_believed(answer: Any):
    with pytest.raises(UnreadableAnswerError):
        rights_missing(answer, RRS)


async def test_what_was_well_is_not_asked_for_again_within_ten_seconds(world: World):
    one = world.instance()
    for seconds in (0, 9, 2):
        world.pass_time(seconds)
        await one.gateway.check_ready(deadline=Deadline(clock=one.gateway.clock, seconds=8))
    assert one.calls == [LOOK, DEFINITION, RULES] * 2


async def test_what_failed_is_asked_for_again_at_once(world: World):
    one = world.instance()
    one.wire.on(DEFINITION, drop=True)
    with pytest.raises(Exception, match="dropped"):
        await one.gateway.check_ready(deadline=Deadline(clock=one.gateway.clock, seconds=8))
    await one.gateway.check_ready(deadline=Deadline(clock=one.gateway.clock, seconds=8))
    assert one.calls == [LOOK, DEFINITION, LOOK, DEFINITION, RULES]
