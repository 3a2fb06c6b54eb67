"""A consumer to start from: takes each RR through its phases and restarts the workload that it is about.

Run one instance: `DRY_RUN=no kopf run --standalone --namespace sluice-system consumer.py`. It changes no workload
without DRY_RUN=no. Its only memory is the RR's status, so it may be killed at any moment and goes on where it was.
"""

import asyncio
import os
from datetime import UTC, datetime, timedelta

import kopf
from kubernetes import client, config

GROUP = os.environ.get("SLUICE_GROUP", "remediation.kubernaut.ai")
DRY_RUN = os.environ.get("DRY_RUN", "yes") != "no"
INTERVAL = float(os.environ.get("INTERVAL_SECONDS", "5"))
PATIENCE = timedelta(seconds=float(os.environ.get("PATIENCE_SECONDS", "600")))  # for the workload to come up again
PAUSE = timedelta(seconds=float(os.environ.get("PAUSE_SECONDS", "1800")))  # until another try makes sense
ENDED = {"Completed", "Failed", "TimedOut", "Skipped", "Cancelled"}
CALLS = {"Deployment": "deployment", "StatefulSet": "stateful_set", "DaemonSet": "daemon_set"}


@kopf.on.startup()
def configure(settings, **_):
    settings.posting.enabled = False  # no Events about RRs
    config.load_config()  # of the pod, or the person's kubeconfig


@kopf.on.login()
def login(**arguments):
    return kopf.login_with_service_account(**arguments) or kopf.login_with_kubeconfig(**arguments)


def works_on(*, type, status, **_):  # noqa: A002 - kopf's name for what happened
    return type != "DELETED" and status.get("overallPhase") not in ENDED


@kopf.on.event(GROUP, "remediationrequests", when=works_on)
async def advance(*, name, spec, annotations, status, patch, **_):
    """Take the RR one phase on. The status that is written is the next event, and calls this again."""
    try:
        await asyncio.to_thread(step, name, spec, annotations, status, patch.status)
    except client.ApiException as error:
        if error.status == 404:
            end(patch.status, "Failed", "the workload is gone")
        else:
            patch.status["message"] = f"will try again: {error.reason}"
    if "overallPhase" not in patch.status:
        await asyncio.sleep(INTERVAL)
        patch.status["checkedAt"] = now().isoformat()


def step(name, spec, annotations, status, new):
    """Write into `new` what changes of the RR's status; nothing where it has to wait."""
    target = spec["targetResource"]
    owner = annotations.get("gateway.kubernaut.ai/owner", f"{target['kind']}/{target['name']}")
    kind, workload = owner.split("/")
    namespace = target.get("namespace", "")
    match status.get("overallPhase", "Pending"):
        case "Pending":
            new["overallPhase"] = "Processing"
        case "Processing" if is_resolved(status):
            end(new, "Skipped", "the alerts are resolved")
        case "Processing" if spec.get("clusterID") or kind not in CALLS or not namespace:
            # Holds the problem until a person looks at it: repeats count here and open no other RR.
            end(new, "Failed", f"no safe remedy for {owner}", outcome="ManualReviewRequired")
        case "Processing" if DRY_RUN:
            end(new, "Completed", f"dry run: would restart {owner}", outcome="DryRun", pause=PAUSE)
        case "Processing":
            new["overallPhase"] = "Executing"
        case "Executing":
            restart(kind, workload, namespace, rr=name)
            new.update(overallPhase="Verifying", executedAt=now().isoformat())
        case "Verifying" if is_rolled_out(kind, workload, namespace):
            end(new, "Completed", f"{owner} was restarted", outcome="Remediated")
        case "Verifying" if now() - datetime.fromisoformat(status["executedAt"]) > PATIENCE:
            end(new, "Failed", f"{owner} did not come up", outcome="VerificationTimedOut", pause=PAUSE)


def end(new, phase, message, *, outcome="", pause=timedelta()):
    """End the RR. Within `pause` it still holds its problem: repeats count on it."""
    new.update(overallPhase=phase, message=message, completedAt=now().isoformat())
    if outcome:
        new["outcome"] = outcome
    if pause:
        new["nextAllowedExecution"] = (now() + pause).isoformat()


def is_resolved(status):
    return any(each["type"] == "SignalResolved" and each["status"] == "True" for each in status.get("conditions", ()))


def restart(kind, workload, namespace, *, rr):
    """Restart as `kubectl rollout restart` does, but once for each RR: the same value again changes nothing."""
    annotations = {"sluice.kubernaut.ai/restarted-for": rr}
    body = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
    getattr(client.AppsV1Api(), f"patch_namespaced_{CALLS[kind]}")(workload, namespace, body)


def is_rolled_out(kind, workload, namespace):
    found = getattr(client.AppsV1Api(), f"read_namespaced_{CALLS[kind]}")(workload, namespace)
    wanted, state = getattr(found.spec, "replicas", None), found.status
    if kind == "DaemonSet":
        wanted, updated, ready = state.desired_number_scheduled, state.updated_number_scheduled, state.number_available
    else:
        updated, ready = state.updated_replicas, state.available_replicas
    is_current = (state.observed_generation or 0) >= found.metadata.generation
    return is_current and (updated or 0) >= wanted and (ready or 0) >= wanted


def now():
    return datetime.now(UTC)
