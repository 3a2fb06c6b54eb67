"""Where a command looks that reads by the gateway's own client: --context and --namespace, as kubectl takes them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from core.local.cluster import check_context, context_namespace, use_default_kubeconfig
from core.local.running import prefer_what_runs
from core.settings import load_settings

if TYPE_CHECKING:
    from core.settings import Settings


def look_at(context: str) -> None:
    """Let KUBECONFIG name the cluster that is meant: without it and `context` what `sluice run` serves, where one does.

    Raises:
        CommandError: the kubeconfig has no such context.
    """
    if not context:
        prefer_what_runs()
    use_default_kubeconfig()
    if context:
        check_context(os.environ.get("KUBECONFIG", ""), context)


def chosen_settings(context: str, namespace: str, *, by_context: bool = True) -> Settings:
    """Return the environment's settings for that place.

    A context that was asked for comes before SLUICE_API_SERVER; a namespace before SLUICE_NAMESPACE, which comes
    before the context's own. `by_context` false: the context's own does not count.
    """
    settings = load_settings()
    own = ""
    if by_context and not os.environ.get("SLUICE_NAMESPACE"):
        own = context_namespace(os.environ.get("KUBECONFIG", ""), context=context)
    chosen = namespace or own
    return settings.changed(**({"namespace": chosen} if chosen else {}) | ({"api_server": ""} if context else {}))
