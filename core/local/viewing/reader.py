"""Reads remediation requests with the user's own kubeconfig, by the `kubernetes` package.

Not by our own client: a person's kubeconfig may ask for whatever kubectl knows (exec plugins, proxies, several
files), and here a quarter of a second for the package's import hurts nobody.
"""

from __future__ import annotations

import json
import logging
import os
import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubernetes import client as kubernetes_client
from kubernetes import config as kubernetes_config
from kubernetes import watch as kubernetes_watch
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from urllib3.exceptions import HTTPError

from core.common.text import DNS_SUBDOMAIN
from core.errors import ConfigurationError
from core.kube.kubeconfig import DEFAULT_KUBECONFIG, read_contexts
from core.local.cluster import check_context
from core.local.shell import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from core.settings import Settings

JsonObject = dict[str, Any]

_PLURAL = "remediationrequests"
_READ_SECONDS = 30.0
_WATCH_SECONDS = 60  # then the server ends a watch, and another begins where it stopped
_SILENT_SECONDS = 90.0  # a server that says nothing for longer, not even that end, is away
_GONE = 410
_WHOLE_NAME = re.compile(DNS_SUBDOMAIN)


class RefusedError(CommandError):
    """The API server refused.

    Attributes:
        status: HTTP status code of its answer.
    """

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


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
    """One step of a watch.

    `kind` is LIST (objects are all there are), ADDED, MODIFIED, DELETED, ALIVE (it goes on, nothing has changed) or
    LOST. `why`: why what is known may be out of date. A LIST has it where the server lets nobody watch.
    """

    kind: str
    objects: tuple[JsonObject, ...] = ()
    why: str = ""


class Reader:
    """Remediation requests of one cluster. Every method raises CommandError with a sentence.

    `patience`: seconds until a call is given up.
    """

    def __init__(self, *, settings: Settings, where: Where, patience: float = _READ_SECONDS) -> None:
        # The package itself reads the environment once, when it is imported.
        files = where.kubeconfig or os.environ.get("KUBECONFIG") or DEFAULT_KUBECONFIG
        if where.context:
            check_context(files, where.context)
        try:
            contexts = read_contexts(files)
            self.context = where.context or contexts.current
            with _logged_errors() as logged:
                self._api = kubernetes_config.new_client_from_config(files, context=self.context or None)
        except (ConfigurationError, ConfigException, OSError, ValueError, TypeError, KeyError) as error:
            raise CommandError(f"the kubeconfig {files} cannot be used: {_unusable(files, error)}") from error
        plugin = contexts.plugins.get(self.context)
        if plugin and not (self._api.configuration.api_key or self._api.configuration.cert_file):
            why = "; ".join(logged) or "it said nothing"
            raise CommandError(f"the exec plugin {plugin} of context {self.context} gave no credentials: {why}")
        self._api.configuration.retries = False
        self._patience = patience
        self._objects = kubernetes_client.CustomObjectsApi(self._api)
        self._group = settings.group
        self._version = settings.version
        self.server = str(self._api.configuration.host)
        self.namespace = (
            ""
            if where.everywhere
            else where.namespace
            or (settings.namespace if os.environ.get("SLUICE_NAMESPACE") else "")
            or contexts.namespaces.get(self.context, "")
            or settings.namespace
        )

    def list(self) -> list[JsonObject]:
        """Return all of the namespace, of all namespaces where it is empty."""
        listed = self._call(self._lister(), **self._place())
        return [each for each in listed.get("items") or [] if isinstance(each, dict)]

    def get(self, name: str) -> JsonObject:
        """Return one by its name, or by the start of it where that is enough; TYPE/NAME, as `-o name` says it, too."""
        name = name.rpartition("/")[2]
        if self.namespace and _WHOLE_NAME.fullmatch(name):
            with suppress(RefusedError):  # it is the start of a name, or only a LIST is allowed
                return self.read(self.namespace, name)
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
        """Yield all there are, then each change, without end. A lost connection is one LOST, then all there are.

        Where the server refuses to watch, there is nothing but a LIST and a LOST in turn, each with the reason.
        """
        refused = ""
        while True:
            try:
                listed = self._call(self._lister(), **self._place())
                yield Event("LIST", tuple(listed.get("items") or []), why=refused)
            except CommandError as error:
                yield Event("LOST", why=str(error))
                continue
            try:
                for event in self._changes(str(listed["metadata"].get("resourceVersion", ""))):
                    refused = ""
                    yield event
            except CommandError as error:
                refused = str(error) if isinstance(error, RefusedError) else ""
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
        patience = {"timeout_seconds": _WATCH_SECONDS, "_request_timeout": (self._patience, _SILENT_SECONDS)}
        while True:
            options = {"resource_version": version, "allow_watch_bookmarks": True, **patience}
            try:
                for event in stream.stream(self._lister(), **self._kind(), **self._place(), **options):
                    obj = event["object"]
                    version = obj["metadata"]["resourceVersion"]
                    yield Event("ALIVE") if event["type"] == "BOOKMARK" else Event(event["type"], (obj,))
            except ApiException as error:
                if error.status == _GONE:  # too long ago for the server: list again
                    return
                raise self._refused(error) from error
            except (HTTPError, OSError) as error:
                raise self._unanswered(error) from error
            yield Event("ALIVE")

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
            answer: JsonObject = work(**self._kind(), **arguments, _request_timeout=self._patience)
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

    def _refused(self, error: ApiException) -> RefusedError:
        said, status = _message(error), int(error.status or 0)
        if status == 404 and not _status(error):  # of a path that it serves it says what is not found there
            said = (
                f"{self.server} does not serve {_PLURAL}.{self._group}/{self._version}: "
                "apply knative/cluster/crd.yaml, or set SLUICE_GROUP and SLUICE_VERSION"
            )
            return RefusedError(said, status=status)
        remedy = f": the credentials of {self._whose} are unknown there, or have ended" if status == 401 else ""
        return RefusedError(f"{self.server} refused ({status}): {said}{remedy}", status=status)

    @property
    def _whose(self) -> str:
        return f"context {self.context}" if self.context else "the kubeconfig"

    def _unanswered(self, error: Exception) -> CommandError:
        context = f" of context {self.context}" if self.context else ""
        return CommandError(f"the API server {self.server}{context} does not answer: {_first_line(error)}")


@contextmanager
def _logged_errors() -> Iterator[list[str]]:
    """Have what is logged as an error meanwhile, unshown: so the package tells that an exec plugin failed."""
    said: list[str] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger().addHandler(handler)
    try:
        yield said
    finally:
        logging.getLogger().removeHandler(handler)


def _message(error: ApiException) -> str:
    return str(_status(error).get("message") or error.body or error.reason).strip()[:1000]


def _status(error: ApiException) -> JsonObject:
    """Return the Status that the API server answered; empty where it answered something else."""
    try:
        found = json.loads(error.body)
    except (ValueError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def _unusable(kubeconfig: str, error: Exception) -> str:
    files = [Path(part).expanduser() for part in kubeconfig.split(os.pathsep) if part]
    if not any(file.exists() for file in files):
        return "there is no such file; set KUBECONFIG to the cluster's, or start `sluice run` and look at that"
    return _first_line(error)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
