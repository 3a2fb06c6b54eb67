"""The API server: its version and clock, how fast it is, the definition, the selector, and whose traffic waits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from core.kube.errors import BadRequestError, NamespaceNotFoundError, NotFoundError, ResourceNotServedError
from core.kube.resources import KINDS, Resource
from core.local.doctor.findings import Finding, failure, ok, warning

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.local.doctor.visit import Visit

OLDEST = (1, 31)
"""Field selectors on custom resources are on from here on (KEP-4358)."""

MOST_OFFSET_SECONDS = 5.0
SLOW_CALL_SECONDS = 0.5

DEFINITIONS = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False
)
FLOW_SCHEMAS = Resource("flowcontrol.apiserver.k8s.io", "v1", "flowschemas", "FlowSchema", namespaced=False)
PRIORITY_LEVELS = Resource(
    "flowcontrol.apiserver.k8s.io", "v1", "prioritylevelconfigurations", "PriorityLevel", namespaced=False
)

_VERSION = re.compile(r"v?(\d+)\.(\d+)")
_COUNTED = ("occurrenceCount", "firstSeenAt", "lastSeenAt")
_SELECTED = ".spec.signalFingerprint"
_APPLY = "kubectl apply -k knative/cluster"
_ANOTHERS = (
    "this definition is not Sluice's own, and `kubectl apply -k knative/cluster` would replace it for all who work "
    "with it: add to it what is missing (docs/how-to/kubernaut.md), or set SLUICE_GROUP to a group of Sluice's own"
)


async def check_server(visit: Visit) -> list[Finding]:
    """Ask its version."""
    version = str((await visit.client.document("/version", deadline=visit.deadline())).get("gitVersion", ""))
    match = _VERSION.match(version)
    if match is None:
        return [warning("server", f"its version is {version!r}", "Sluice needs Kubernetes 1.31 or newer")]
    if (int(match[1]), int(match[2])) < OLDEST:
        remedy = "upgrade to Kubernetes 1.31 or newer: older ones have no field selectors for custom resources"
        return [failure("server", f"Kubernetes {version} is too old", remedy)]
    return [ok("server", f"Kubernetes {version}")]


async def check_namespace(visit: Visit) -> list[Finding]:
    """Look for the namespace of the RRs."""
    try:
        await visit.client.get(KINDS["Namespace"], name=visit.namespace, deadline=visit.deadline())
    except (NotFoundError, NamespaceNotFoundError):
        remedy = f"kubectl create namespace {visit.namespace}, or set SLUICE_NAMESPACE to one that exists"
        return [failure("namespace", f"the namespace {visit.namespace} does not exist", remedy)]
    return [ok("namespace", f"{visit.namespace} exists")]


async def check_profile(visit: Visit) -> list[Finding]:
    """Say what SLUICE_PROFILE=kubernaut means here; other checks look at its namespace, definition and permissions."""
    settings = visit.settings
    if settings.profile != "kubernaut":
        return []
    what = f"kubernaut's: RRs of {visit.resource.full_name} in {visit.namespace}"
    if settings.reads != "consistent":
        message = f"{what}; SLUICE_READS={settings.reads} may make a second RR while kubernaut's gateway runs beside"
        return [warning("profile", message, "SLUICE_READS=consistent until the other gateway is gone")]
    return [ok("profile", f"{what}, with consistent reads")]


async def check_definition(visit: Visit) -> list[Finding]:
    """Read the CustomResourceDefinition: is everything served and stored that the protocol relies on?"""
    name = visit.resource.full_name
    try:
        reply = await visit.client.get(DEFINITIONS, name=name, deadline=visit.deadline())
    except NotFoundError:
        return [failure("definition", f"{name} is not defined", _APPLY)]
    labels = _mapping(_mapping(reply.obj.get("metadata")).get("labels"))
    remedy = _APPLY if labels.get("app.kubernetes.io/part-of") == "sluice" else _ANOTHERS
    spec = _mapping(reply.obj.get("spec"))
    versions = [_mapping(each) for each in spec.get("versions") or ()]
    version = next((each for each in versions if each.get("name") == visit.settings.version), None)
    if version is None or not version.get("served"):
        remedy = f"{remedy}; or set SLUICE_VERSION to a version that is served"
        return [failure("definition", f"{name} does not serve version {visit.settings.version}", remedy)]
    faults = _faults_of_version(name, version, remedy)
    return faults or [ok("definition", f"{name} serves and stores what the protocol needs")]


def _faults_of_version(name: str, version: Mapping[str, Any], remedy: str) -> list[Finding]:
    faults = []
    paths = [_mapping(each).get("jsonPath") for each in version.get("selectableFields") or ()]
    if _SELECTED not in paths:
        faults.append(failure("definition", f"{name} has no selectable field {_SELECTED}", remedy))
    if "status" not in _mapping(version.get("subresources")):
        faults.append(failure("definition", f"{name} has no status subresource", remedy))
    schema = _mapping(_mapping(version.get("schema")).get("openAPIV3Schema"))
    if lost := [field for field in _COUNTED if not _keeps(schema, ("status", "deduplication", field))]:
        message = f"{name} drops status.deduplication.{', .'.join(lost)}: repeats cannot be counted, and get 503"
        faults.append(failure("definition", message, remedy))
    return faults


def _keeps(schema: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    """Whether the API server stores a field, or prunes it (Kubernetes: structural schemas)."""
    for step in path:
        if schema.get("x-kubernetes-preserve-unknown-fields"):
            return True
        properties = _mapping(schema.get("properties"))
        if step not in properties:
            return bool(schema.get("additionalProperties"))
        schema = _mapping(properties[step])
    return True


async def check_selector(visit: Visit) -> list[Finding]:
    """LIST by fingerprint as each new signal does: proves the selector, times a call, compares the clocks."""
    query = {"fieldSelector": f"spec.signalFingerprint={'0' * 64}", "resourceVersion": "0", "limit": "1"}
    before, asked = visit.clock.now(), visit.clock.monotonic()
    try:
        listing = await visit.client.list(
            visit.resource, namespace=visit.namespace, query=query, deadline=visit.deadline()
        )
    except ResourceNotServedError:
        return [failure("selector", f"{visit.resource.full_name} is not served", _APPLY)]
    except BadRequestError as error:
        return [failure("selector", f"RRs cannot be selected by fingerprint: {error}", f"{_APPLY}; Kubernetes 1.31")]
    seconds = visit.clock.monotonic() - asked
    # The Date header has whole seconds: it is up to one behind.
    offset = (listing.server_time - before).total_seconds() + 0.5 - seconds / 2
    return [ok("selector", "RRs are found by fingerprint"), _clock(offset)]


def _clock(offset: float) -> Finding:
    if abs(offset) <= MOST_OFFSET_SECONDS:
        return ok("clock", "this machine and the API server agree within a few seconds")
    message = f"the API server's clock is {abs(offset):.0f} s {'ahead of' if offset > 0 else 'behind'} this machine's"
    return warning("clock", message, "let NTP set both: tokens, certificates and the age of Events go by the clock")


def judge_times(visit: Visit) -> list[Finding]:
    """Say how long each kind of call took, the slowest of its kind; the slow ones are a warning."""
    told = {name: f"{name} {seconds * 1000:.0f} ms" for name, seconds in sorted(visit.times.slowest.items())}
    slow = [told[name] for name, seconds in visit.times.slowest.items() if seconds > SLOW_CALL_SECONDS]
    if slow:
        remedy = "a new signal needs four calls in SLUICE_REQUEST_DEADLINE; see docs/scale.md"
        return [warning("latency", f"slow calls: {', '.join(sorted(slow))}", remedy)]
    return [ok("latency", ", ".join(told.values()))] if told else []


async def check_flow_control(visit: Visit) -> list[Finding]:
    """Look for the FlowSchema of knative/cluster: without it a burst waits behind every controller."""
    missing = "the gateway's calls share a queue with those of all other service accounts"
    try:
        reply = await visit.client.get(FLOW_SCHEMAS, name="sluice", deadline=visit.deadline())
    except ResourceNotServedError:
        return [warning("flow-control", "the API server has no Priority and Fairness", "nothing; bursts may be slow")]
    except NotFoundError:
        return [warning("flow-control", f"there is no FlowSchema sluice: {missing}", _APPLY)]
    spec = _mapping(reply.obj.get("spec"))
    account = visit.account or "sluice"
    if not _covers(spec, account=account, namespace=visit.namespace):
        message = f"the FlowSchema sluice does not match the account {account} of {visit.namespace}: {missing}"
        return [warning("flow-control", message, "name that account in knative/cluster/flow-control.yaml")]
    level = str(_mapping(spec.get("priorityLevelConfiguration")).get("name", ""))
    try:
        await visit.client.get(PRIORITY_LEVELS, name=level, deadline=visit.deadline())
    except NotFoundError:
        return [warning("flow-control", f"the FlowSchema sluice names a missing level {level!r}: {missing}", _APPLY)]
    return [ok("flow-control", f"the FlowSchema sluice gives the account {account} a level of its own")]


def _covers(spec: Mapping[str, Any], *, account: str, namespace: str) -> bool:
    subjects = [_mapping(each) for rule in spec.get("rules") or () for each in _mapping(rule).get("subjects") or ()]
    accounts = [_mapping(each.get("serviceAccount")) for each in subjects]
    return any(each.get("namespace") == namespace and each.get("name") in (account, "*") for each in accounts)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
