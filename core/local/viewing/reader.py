"""Reads remediation requests with the user's own kubeconfig, by the `kubernetes` package.

Not by our own client: a person's kubeconfig may ask for whatever kubectl knows (exec plugins, proxies, several
files), and here a quarter of a second for the package's import hurts nobody.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubernetes import client as kubernetes_client
from kubernetes import config as kubernetes_config
from kubernetes import watch as kubernetes_watch
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from urllib3.exceptions import HTTPError

from core.local.shell import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from core.settings import Settings

JsonObject = dict[str, Any]

_PLURAL = "remediationrequests"
_READ_SECONDS = 30.0
_WATCH_SECONDS = 300
_GONE = 410


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Which cluster and namespace a command looks at; empty for kubectl's own choice.

    `everywhere`: all namespaces. `kubeconfig`: a value for KUBECONFIG in place of the environment's.
    """

    context: str = ""
    namespace: str = ""
    everywhere: bool = False
    kubeconfig: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """One step of a watch. `kind` is LIST (objects are all there are), ADDED, MODIFIED, DELETED or LOST (why)."""

    kind: str
    objects: tuple[JsonObject, ...] = ()
    why: str = ""


class Reader:
    """Remediation requests of one cluster. Every method raises CommandError with a sentence."""

    def __init__(self, *, settings: Settings, where: Where) -> None:
        try:
            files = (
                where.kubeconfig or os.environ.get("KUBECONFIG") or None
            )  # the package itself reads it once, when it is imported
            self._api = kubernetes_config.new_client_from_config(files, context=where.context or None)
            contexts, active = kubernetes_config.list_kube_config_contexts(files)
        except (ConfigException, OSError, ValueError, TypeError, KeyError) as error:
            which = where.kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
            raise CommandError(f"the kubeconfig {which} cannot be used: {_unusable(which, error)}") from error
        self._api.configuration.retries = False
        chosen = next((each for each in contexts if each["name"] == where.context), active) or {}
        self._objects = kubernetes_client.CustomObjectsApi(self._api)
        self._group = settings.group
        self._version = settings.version
        self.context = str(chosen.get("name", ""))
        self.server = str(self._api.configuration.host)
        self.namespace = (
            ""
            if where.everywhere
            else where.namespace
            or (settings.namespace if os.environ.get("SLUICE_NAMESPACE") else "")
            or str((chosen.get("context") or {}).get("namespace") or settings.namespace)
        )

    def list(self) -> list[JsonObject]:
        """Return all of the namespace, of all namespaces where it is empty."""
        listed = self._call(self._lister(), **self._place())
        return [each for each in listed.get("items") or [] if isinstance(each, dict)]

    def get(self, name: str) -> JsonObject:
        """Return one by its name, or by the start of it where that is enough."""
        found = [each for each in self.list() if each["metadata"]["name"].startswith(name)]
        exact = [each for each in found if each["metadata"]["name"] == name]
        if len(exact or found) == 1:
            return (exact or found)[0]
        if not found:
            raise CommandError(f'no remediation request is named "{name}" in {self._where()}')
        names = ", ".join(sorted(each["metadata"]["name"] for each in found)[:5])
        raise CommandError(f'{len(found)} remediation requests are named "{name}...": {names}')

    def read(self, namespace: str, name: str) -> JsonObject:
        """Return one by its whole name, in a namespace of its own choice."""
        return self._call(self._objects.get_namespaced_custom_object, namespace=namespace, plural=_PLURAL, name=name)

    def watch(self) -> Generator[Event, None, None]:
        """Yield all there are, then each change, without end. A lost connection is one LOST, then all there are."""
        while True:
            try:
                listed = self._call(self._lister(), **self._place())
                yield Event("LIST", tuple(listed.get("items") or []))
                yield from self._changes(str(listed["metadata"].get("resourceVersion", "")))
            except CommandError as error:
                yield Event("LOST", why=str(error))

    def set_phase(self, seen: JsonObject, phase: str) -> JsonObject:
        """Set status.overallPhase of the object as it was `seen`, and return it; a change in between is refused."""
        metadata = seen["metadata"]
        body = {
            "metadata": {"resourceVersion": metadata["resourceVersion"]},
            "status": {"overallPhase": phase},
        }
        return self._call(
            self._objects.patch_namespaced_custom_object_status,
            namespace=metadata["namespace"],
            plural=_PLURAL,
            name=metadata["name"],
            body=body,
        )

    def close(self) -> None:
        """Close all connections."""
        self._api.close()

    def _changes(self, version: str) -> Iterator[Event]:
        stream = kubernetes_watch.Watch()
        while True:
            options = {"resource_version": version, "timeout_seconds": _WATCH_SECONDS}
            try:
                for event in stream.stream(self._lister(), **self._kind(), **self._place(), **options):
                    obj = event["object"]
                    version = obj["metadata"]["resourceVersion"]
                    yield Event(event["type"], (obj,))
            except ApiException as error:
                if error.status == _GONE:  # too long ago for the server: list again
                    return
                raise self._refused(error) from error
            except (HTTPError, OSError) as error:
                raise self._unanswered(error) from error

    def _lister(self) -> Callable[..., Any]:
        listed: Callable[..., Any] = (
            self._objects.list_namespaced_custom_object if self.namespace else self._objects.list_cluster_custom_object
        )
        return listed

    def _place(self) -> dict[str, str]:
        return {"plural": _PLURAL} | ({"namespace": self.namespace} if self.namespace else {})

    def _kind(self) -> dict[str, str]:
        return {"group": self._group, "version": self._version}

    def _call(self, work: Callable[..., Any], **arguments: Any) -> JsonObject:
        try:
            answer: JsonObject = work(**self._kind(), **arguments, _request_timeout=_READ_SECONDS)
        except ApiException as error:
            raise self._refused(error) from error
        except (HTTPError, OSError) as error:
            raise self._unanswered(error) from error
        return answer

    @property
    def where(self) -> str:
        """The place that it looks at, as people say it."""
        place = f"namespace {self.namespace}" if self.namespace else "all namespaces"
        return f"{place}, {f'context {self.context}' if self.context else self.server}"

    def _where(self) -> str:
        return f"namespace {self.namespace}" if self.namespace else "any namespace"

    def _refused(self, error: ApiException) -> CommandError:
        if error.status == 404 and "not found" not in _message(error).replace("page not found", ""):
            return CommandError(
                f"{self.server} does not serve {_PLURAL}.{self._group}/{self._version}: "
                "apply knative/cluster/crd.yaml, or set SLUICE_GROUP and SLUICE_VERSION"
            )
        return CommandError(f"{self.server} refused ({error.status}): {_message(error)}")

    def _unanswered(self, error: Exception) -> CommandError:
        context = f" of context {self.context}" if self.context else ""
        return CommandError(f"the API server {self.server}{context} does not answer: {_first_line(error)}")


def _message(error: ApiException) -> str:
    try:
        return str(json.loads(error.body)["message"])
    except (ValueError, TypeError, KeyError):
        return str(error.body or error.reason).strip()[:200]


def _unusable(kubeconfig: str, error: Exception) -> str:
    files = [Path(part).expanduser() for part in kubeconfig.split(os.pathsep) if part]
    if not any(file.exists() for file in files):
        return "there is no such file; set KUBECONFIG to the cluster's, or start `sluice run` and look at that"
    return _first_line(error)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
