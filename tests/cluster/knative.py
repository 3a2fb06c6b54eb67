"""Installs Knative Serving and Eventing from the manifests in their own modules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cluster.ingress import CLASS
from tests.cluster.machine import SETTLES_WITHIN, Machine, apply, merge_patch, wait_until_served
from tests.knative.programs import module_folder
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

SERVING, EVENTING = "knative-serving", "knative-eventing"
_UNTAGGED = "kind.local,ko.local,dev.local,example.com,gcr.io"  # whose images no registry resolves here


def install_serving(machine: Machine) -> None:
    """Serving with the machine's own ingress; returns when it is available."""
    core = module_folder("knative.dev/serving") / "config" / "core"
    networking = module_folder("knative.dev/networking") / "config"
    caching = module_folder("knative.dev/caching") / "config"
    kinds = ("serverlessservice", "ingress", "certificate", "domain-claim")
    apply(machine, core / "300-resources", *(networking / f"{kind}.yaml" for kind in kinds), caching / "image.yaml")
    apply(machine, core / "100-namespace.yaml")
    accounts = [core / name for name in ("200-serviceaccount.yaml", "200-roles", "configmaps")]
    apply(machine, *accounts, networking / "config-network.yaml")
    _configure(machine, "config-network", {"ingress-class": CLASS})
    _configure(machine, "config-deployment", {"registries-skipping-tag-resolving": _UNTAGGED})
    # The least it allows: how long the last pod stays once requests go to the activator again.
    _configure(machine, "config-autoscaler", {"scale-to-zero-grace-period": "6s"})
    _established(machine)
    deployments = core / "deployments"
    programs = [deployments / f"{name}.yaml" for name in ("activator", "autoscaler", "controller", "webhook")]
    apply(machine, *programs, core / "webhooks")
    _wait_for_webhook(machine, "webhook.serving.knative.dev")
    _available(machine, SERVING)


def install_eventing(machine: Machine, *, authentication: bool = False) -> None:
    """Eventing with the in-memory channel and the multi-tenant Broker; returns when it is available.

    `authentication`: senders get identities, and Brokers and channels ask for their tokens.
    """
    config = module_folder("knative.dev/eventing") / "config"
    core, channel, broker = (
        config / "core",
        config / "channels" / "in-memory-channel",
        config / "brokers" / "mt-channel-broker",
    )
    apply(machine, core / "resources", channel / "resources")
    apply(machine, core / "100-namespace.yaml")
    accounts: list[Path] = [core / f"200-{name}-serviceaccount.yaml" for name in ("eventing", "webhook")]
    accounts += [channel / f"200-imc-{name}-serviceaccount.yaml" for name in ("controller", "dispatcher")]
    roles = [core / "roles", channel / "roles", broker / "roles"]
    apply(machine, *roles, *accounts, core / "configmaps", channel / "configmaps")
    if authentication:
        _configure(machine, "config-features", {"authentication-oidc": "enabled"}, namespace=EVENTING)
    _established(machine)
    deployments = [core / "deployments" / f"{name}.yaml" for name in ("controller", "webhook")]
    deployments += [
        broker / "deployments" / f"{name}.yaml" for name in ("controller", "broker-filter", "broker-ingress")
    ]
    apply(machine, *deployments, channel / "deployments", core / "webhooks", channel / "webhooks")
    _wait_for_webhook(machine, "webhook.eventing.knative.dev")
    _available(machine, EVENTING)


def _configure(machine: Machine, name: str, data: dict[str, str], *, namespace: str = SERVING) -> None:
    merge_patch(machine, "configmap", name, {"data": data}, namespace=namespace)


def _established(machine: Machine) -> None:
    """Wait until kinds are served and roles complete: a program started before that waits up to a minute more."""
    wait_until_served(machine)

    def all_aggregated() -> bool:
        roles = machine.get("/apis/rbac.authorization.k8s.io/v1/clusterroles")["items"]
        return all(
            each["rules"] for each in roles if each.get("aggregationRule") and "knative" in each["metadata"]["name"]
        )

    wait_for(all_aggregated, what="the controller that adds up roles", within=SETTLES_WITHIN)


def _wait_for_webhook(machine: Machine, name: str) -> None:
    """Knative's webhook writes its own rules and certificate; before that, what is applied has no defaults."""
    path = f"/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/{name}"

    def has_rules() -> bool:
        webhook = machine.get(path)["webhooks"][0]
        return bool(webhook.get("rules")) and bool(webhook["clientConfig"].get("caBundle"))

    wait_for(has_rules, what=f"{name} to write its rules", within=SETTLES_WITHIN)


def _available(machine: Machine, namespace: str) -> None:
    seconds = f"--timeout={SETTLES_WITHIN:.0f}s"
    machine.kubectl("-n", namespace, "wait", "--for=condition=available", seconds, "deployment", "--all")
