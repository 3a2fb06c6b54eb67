"""Every setting, typed, from the environment (prefix `SLUICE_`)."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic_core import ValidationError

from core.common.declared import Declared, declare
from core.common.text import DNS_LABEL, DNS_SUBDOMAIN
from core.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

_SERVICE_ACCOUNT_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_PREFIX = "SLUICE_"
_FALLBACK_NAMESPACE = "sluice-system"
# What the kubelet sets for a Service named sluice-... (enableServiceLinks), and no person wrote.
_SERVICE_LINK = r".*_(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
_SERVICE_LINK_URL = r"(tcp|udp|sctp)://.*"

_DNS_LABEL = f"^{DNS_LABEL}$"
_DNS_SUBDOMAIN = f"^{DNS_SUBDOMAIN}$"

_LABEL_KEY = r"([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_LABEL_VALUE = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"

_WAY = r"(kubernetes|oidc|secret)"
_SENDER = r"(cluster|https?://[^\s,#]+)#[^\s,#]+"

_PORT = r"([1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d{2}|655[0-2]\d|6553[0-5])"
_SINK = rf"^(https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:{_PORT})?([/?][!-~]*)?)?$"

_TRACE_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_TRACE_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_TRACE_URL = r"https?://[^\s/]+(/\S*)?"


def _pods_namespace() -> str:
    """Return the namespace in which this process runs; empty outside of a pod."""
    from_pod = os.environ.get("POD_NAMESPACE", "")
    if from_pod:
        return from_pod
    try:
        return _SERVICE_ACCOUNT_NAMESPACE.read_text().strip()
    except OSError:
        return ""


def _default_namespace() -> str:
    return _pods_namespace() or _FALLBACK_NAMESPACE


KUBERNAUT = {
    "namespace": "kubernaut-system",
    "group": "kubernaut.ai",
    "reads": "consistent",
    "first_count": "written",
    "resolved": "ignore",  # its definition has no field for the alerts that fire
    "payload_encoding": "raw",
    "signal_type": "alert",
    "target": "owner",
}
"""Defaults of SLUICE_PROFILE=kubernaut. Consistent reads, for its gateway may work beside ours while one takes the
other's place."""


class Settings(Declared):
    """All settings; the description of each is its line in docs/settings.md."""

    namespace: str = declare(
        default_factory=_default_namespace,
        pattern=_DNS_LABEL,
        description="namespace of RemediationRequests and Leases",
    )
    profile: Literal["sluice", "kubernaut"] = declare(
        default="sluice",
        description="`kubernaut`: what its consumers and senders expect of its gateway is the default of other "
        "settings, and its names are used (kubernaut.md)",
    )
    group: str = declare(
        default="remediation.kubernaut.ai", pattern=_DNS_SUBDOMAIN, description="API group of RemediationRequest"
    )
    version: str = declare(default="v1alpha1", pattern=_DNS_LABEL, description="API version of RemediationRequest")
    reads: Literal["fenced", "consistent"] = declare(
        default="fenced",
        description="`consistent` makes a new signal wait for a consistent LIST under the lease: where people delete "
        "Leases by hand or another gateway writes to the namespace",
    )
    first_count: Literal["implied", "written"] = declare(
        default="implied",
        description="`implied`: an RR without status.deduplication counts as one occurrence, which spares a new signal "
        "its status PATCH; `written` makes it all the same, for readers that want the field there",
    )
    rr_events: Literal["none", "write"] = declare(
        default="none",
        description="`write` writes a Kubernetes Event on each RR that is created, for `kubectl describe`: one call "
        "more a new RR, after its answer is decided (knative/components/rr-events has the right it needs)",
    )
    cooldown: float = declare(
        default=0.0,
        ge=0,
        le=604_800,
        description="seconds after an RR's end during which alerts of its problem still count on it, by the API "
        "server's clock",
    )
    resolved: Literal["condition", "ignore"] = declare(
        default="condition",
        description="`condition`: an active RR gets the condition SignalResolved when all alerts that joined it are "
        "resolved, and loses it when one fires; `ignore` keeps nothing of that",
    )
    auth: str = declare(
        default="kubernetes",
        pattern=rf"^(none|{_WAY}(\s*,\s*{_WAY})*)$",
        description="how senders prove who they are, one way or several separated by commas: `kubernetes` (TokenReview "
        "and SubjectAccessReview), `oidc` (ID tokens of SLUICE_OIDC_SENDERS), `secret` (SLUICE_SECRET_FILE); `none` "
        "where something in front has checked already",
    )
    auth_none: Literal["", "i-have-another-gate"] = declare(
        default="",
        description="`i-have-another-gate`: SLUICE_AUTH=none is meant, although others than this machine reach the "
        "function",
    )
    audiences: str = declare(
        default="",
        max_length=1024,
        description="audiences of senders' tokens, separated by commas, such as `sluice`; empty: the API server's own, "
        "and none for `oidc`",
    )
    oidc_senders: str = declare(
        default="",
        max_length=8192,
        pattern=rf"^({_SENDER}(\s*,\s*{_SENDER})*)?$",
        description="who may send with an ID token, separated by commas: `issuer#account`, the account by `sub` or "
        "verified `email`; `cluster` is this cluster's issuer: `cluster#system:serviceaccount:NAMESPACE:NAME`",
    )
    secret_file: str = declare(
        default="",
        description="file with the secret that senders show as a bearer token; two lines while it is being changed",
    )
    payload_encoding: Literal["base64", "raw"] = declare(default="base64", description="form of spec.originalPayload")
    signal_type: str = declare(
        default="prometheus-alert",
        min_length=1,
        max_length=50,
        description="spec.signalType of Alertmanager alerts; consumers of kubernaut's newer API group expect `alert`",
    )
    cluster: str = declare(
        default="",
        max_length=253,
        description="this cluster's name, as alerts give it (SLUICE_CLUSTER_LABELS); alerts of other clusters are "
        "taken as they name their target, for it cannot be looked up here",
    )
    cluster_labels: str = declare(
        default="cluster",
        max_length=1024,
        pattern=r"^[^\s,]+(\s*,\s*[^\s,]+)*$",
        description="labels that name an alert's cluster, separated by commas; the first that is not empty counts. "
        "Cloud Monitoring's own resources have theirs, `cluster_name`",
    )
    untargeted: Literal["ignore", "namespace", "reject"] = declare(
        default="ignore",
        description="alerts that name no object: `ignore` answers 200, `namespace` makes the alert's Namespace the "
        "target, `reject` makes them poison (400, dead letters)",
    )
    rules: str = declare(
        default="",
        max_length=4096,
        description="YAML file of rules (docs/rules.md): which signals are ignored, what they are about, their cluster "
        "and severity; empty: only the rules that are built in",
    )
    owners: Literal["resolve", "as-named"] = declare(
        default="resolve",
        description="`resolve` makes one problem of all Pods, Jobs and ReplicaSets of a workload; `as-named` looks "
        "nothing up",
    )
    target: Literal["object", "owner"] = declare(
        default="object",
        description="spec.targetResource: the `object` that the signal names, or the `owner` that is to be remedied",
    )
    owner_cache: float = declare(
        default=600.0, ge=0, le=86_400, description="seconds an owner that was looked up is remembered"
    )
    scope_label: str = declare(
        default="",
        pattern=rf"^({_LABEL_KEY}(={_LABEL_VALUE})?)?$",
        description="only targets that carry this label, or whose namespace does, are in scope: "
        "`kubernaut.ai/managed=true` for example; empty: all",
    )
    own_namespace: Literal["ignore", "take"] = declare(
        default="ignore",
        description="`ignore` ignores signals about objects in the gateway's own namespace (reason `own`); `take` "
        "takes them. Those about RemediationRequests, Leases and `kubernaut.ai` are ignored always",
    )
    event_max_age: float = declare(
        default=300.0,
        gt=0,
        le=31_536_000,
        description="seconds after which a Kubernetes Event is old and ignored: a relist shows many",
    )
    dead_letter_topic: str = declare(
        default="",
        pattern=r"^(projects/[^/\s]+/topics/[^/\s]+)?$",
        description="Pub/Sub topic that messages which can never work are published to: `projects/P/topics/T`",
    )
    audit_sink: str = declare(
        default="",
        max_length=2048,
        pattern=_SINK,
        description="URL (`http://` or `https://`, without a user) that audit events are sent to, such as "
        "`http://broker-ingress.knative-eventing.svc/sluice-system/audit`; empty: none are made (observability.md)",
    )
    audit_batch: int = declare(
        default=1,
        ge=1,
        le=1000,
        description="audit events in one request at most; more than 1 only where the sink takes the batched form of "
        "CloudEvents, which Knative's Broker does not",
    )
    dead_letter_max_age: int = declare(
        default=14 * 86_400,
        ge=60,
        le=31_536_000,
        description="seconds after which the dead letter sink deletes an event that it keeps",
    )
    metrics_port: int = declare(
        default=0,
        ge=0,
        le=65_535,
        description="port on which each function serves /metrics too, apart from its senders, from its start on; "
        "0: none",
    )
    request_deadline: float = declare(
        default=8.0, gt=0, le=600, description="seconds until a request is answered; Alertmanager waits 10 at least"
    )
    api_timeout: float = declare(
        default=3.0, gt=0, le=60, description="seconds until one Kubernetes API call is given up"
    )
    breaker_open: float = declare(
        default=30.0,
        ge=1,
        le=600,
        description="seconds for which the API server is asked nothing once half of the calls of ten seconds have "
        "failed (the circuit breaker is open); then three calls try it",
    )
    max_concurrent: int = declare(
        default=100, ge=1, le=10_000, description="fingerprints worked on at once in one instance"
    )
    max_body: int = declare(default=8 * 1024 * 1024, ge=1024, description="bytes of a request's body")
    body_budget: int = declare(
        default=8 * 1024 * 1024,
        ge=1024,
        description="bytes of bodies held at once in one instance, SLUICE_MAX_BODY at least, and of large ones being "
        "sent to the API server; more wait for their turn and are answered 503 where it does not come in time. What it "
        "takes in memory: docs/security.md",
    )
    max_alerts: int = declare(
        default=10_000,
        ge=1,
        le=1_000_000,
        description="alerts of one body; more are answered 413, and a Pub/Sub message of more is put aside",
    )
    memory_rrs: int = declare(default=10_000, ge=0, description="RRs remembered to spare repeats the LIST")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = declare(
        default="INFO", description="least severity logged"
    )
    log_sink: Literal["stdout", "cloud-logging"] = declare(
        default="stdout",
        description="`stdout` writes JSON lines that Cloud Run, GKE and Knative collect; `cloud-logging` sends to the "
        "Cloud Logging API, for clusters without an agent",
    )
    api_server: str = declare(
        default="",
        pattern=r"^(https?://\S+)?$",
        description="URL of the API server, with Google credentials: a GKE endpoint",
    )
    api_ca: str = declare(default="", description="base64 of that API server's CA certificate, as GKE shows it")

    def completed(self, given: dict[str, Any]) -> dict[str, Any]:
        """Let the profile fill in what is not set."""
        return {**KUBERNAUT, **given} if given.get("profile") == "kubernaut" else given

    @property
    def own_namespaces(self) -> frozenset[str]:
        """Namespaces all of whose objects are the gateway's own: that of the RRs, and the one it runs in."""
        if self.own_namespace == "take":
            return frozenset()
        return frozenset(filter(None, (self.namespace, _pods_namespace())))

    @property
    def auth_ways(self) -> list[str]:
        """SLUICE_AUTH as a list."""
        return _listed(self.auth)

    @property
    def cluster_label_list(self) -> list[str]:
        """SLUICE_CLUSTER_LABELS as a list."""
        return _listed(self.cluster_labels)

    @property
    def audience_list(self) -> list[str]:
        """SLUICE_AUDIENCES as a list."""
        return _listed(self.audiences)


def _listed(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


def load_settings() -> Settings:
    """Read the settings from the environment; an empty variable counts as none.

    Raises:
        ConfigurationError: names each wrong variable, its value and what it takes.
    """
    # pydantic-settings does no more with these than this, and costs a tenth of a cold start to import.
    environment = {name.upper(): text for name, text in os.environ.items() if text}
    variables = {name: f"{_PREFIX}{name.upper()}" for name in Settings.fields}
    given: dict[str, Any] = {
        name: environment[variable] for name, variable in variables.items() if variable in environment
    }
    try:
        return Settings(**given)
    except ValidationError as error:
        raise ConfigurationError("; ".join(_sentence(line) for line in error.errors(include_url=False))) from None


def traces_asked_for(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether OpenTelemetry's own variables say where traces go (docs/observability.md).

    Raises:
        ConfigurationError: they ask for a way of sending them that is not here.
    """
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporter = environ.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    endpoints = {name: environ.get(name, "") for name in _TRACE_ENDPOINTS}
    if exporter == "none" or not (exporter or any(endpoints.values())):
        return False
    if exporter not in ("", "otlp"):
        raise ConfigurationError(f"OTEL_TRACES_EXPORTER={exporter!r} cannot work: traces are sent as `otlp`, or `none`")
    for name in _TRACE_PROTOCOLS:
        if (protocol := environ.get(name, "")) not in ("", "http/protobuf"):
            raise ConfigurationError(
                f"{name}={protocol!r} cannot work: traces are sent as `http/protobuf`, to a collector's port 4318"
            )
    for name, endpoint in endpoints.items():
        if endpoint and not re.fullmatch(_TRACE_URL, endpoint.strip()):
            raise ConfigurationError(f"{name}={endpoint!r} cannot work: it is a URL such as http://collector:4318")
    return True


def unknown_variables(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Return a sentence for each variable that looks like a setting and is none."""
    known = [f"{_PREFIX}{name.upper()}" for name in Settings.fields]
    unknown = sorted(
        name
        for name, text in environ.items()
        if name.upper().startswith(_PREFIX)
        and name.upper() not in known
        and not (re.fullmatch(_SERVICE_LINK, name) or re.fullmatch(_SERVICE_LINK_URL, text))
    )
    return [f"{name} is no setting{_meant(name, known)}" for name in unknown]


def _meant(name: str, known: list[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - a start without a mistake does not pay for it

    close = get_close_matches(name.upper(), known, n=1)
    return f"; {close[0]} is meant?" if close else ""


def _sentence(error: Any) -> str:
    name = str(error["loc"][0])
    field = Settings.fields[name]
    return f"{_PREFIX}{name.upper()}={error['input']!r} cannot work: {error['msg']} ({field.description})"
