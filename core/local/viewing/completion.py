"""What the shell offers behind Tab: contexts of the kubeconfig, phases, and names of remediation requests."""

from __future__ import annotations

import os
from contextlib import redirect_stderr
from io import StringIO
from typing import TYPE_CHECKING

import typer  # noqa: TC002 - Typer reads the types

from core.errors import SluiceError
from core.kube.kubeconfig import DEFAULT_KUBECONFIG, read_contexts
from core.local.running import prefer_what_runs
from core.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_PATIENCE = 3.0  # seconds; who presses Tab waits no longer


def among(words: Iterable[str]) -> Callable[[str], list[str]]:
    """Return a completion that offers those of `words` which begin with what is there."""
    known = tuple(words)
    return lambda incomplete: [word for word in known if word.startswith(incomplete)]


def contexts(incomplete: str) -> list[str]:
    """Offer the contexts of the kubeconfig."""
    try:
        known = read_contexts(os.environ.get("KUBECONFIG") or DEFAULT_KUBECONFIG).namespaces
    except SluiceError:
        return []
    return sorted(name for name in known if name.startswith(incomplete))


def names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer the names of the remediation requests that the options so far look at; nothing where that fails."""
    from core.local.viewing.reader import Reader, Where  # noqa: PLC0415 - `kubernetes` takes a while

    context, namespace = (str(ctx.params.get(option) or "") for option in ("context", "namespace"))
    with redirect_stderr(StringIO()):  # it would stand in the middle of the command that is being typed
        try:
            if not context:
                prefer_what_runs()
            where = Where(context=context, namespace=namespace)
            reader = Reader(settings=load_settings(), where=where, patience=_PATIENCE)
            try:
                found = [str(each["metadata"]["name"]) for each in reader.list()]
            finally:
                reader.close()
        except SluiceError:
            return []
    return sorted(name for name in found if name.startswith(incomplete))
