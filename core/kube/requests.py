"""RemediationRequests as answers bring them: believed only where they are what was asked for.

Anything may answer with 200 and JSON, a proxy or a broken webhook. Taken for a request of another fingerprint,
such an answer to a CREATE would make the next name be tried, and create request after request.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from core.kube.errors import UnreadableAnswerError
from core.models.remediation_request import RemediationRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_FINGERPRINT = re.compile(r"[0-9a-f]{64}\Z")


def read_request(obj: Mapping[str, Any], *, name: str, fingerprint: str = "") -> RemediationRequest:
    """Return the request called `name`; `fingerprint` is given where only that one can be right.

    Raises:
        UnreadableAnswerError: it is another object, or none.
    """
    request = RemediationRequest.from_object(obj)
    if request.name != name or not _whole(request) or fingerprint not in ("", request.fingerprint):
        raise UnreadableAnswerError(f"the API server's answer is not RemediationRequest {name} as it was asked for")
    return request


def read_requests(items: Iterable[Mapping[str, Any]], *, fingerprint: str) -> list[RemediationRequest]:
    """Return the requests in a LIST that selects `fingerprint`.

    Raises:
        UnreadableAnswerError: there is anything else among them.
    """
    requests = [RemediationRequest.from_object(item) for item in items]
    if not all(_whole(request) and request.fingerprint == fingerprint for request in requests):
        raise UnreadableAnswerError(f"the API server's list has more in it than requests of fingerprint {fingerprint}")
    return requests


def _whole(request: RemediationRequest) -> bool:
    named = request.name and request.namespace and request.uid and request.resource_version
    return bool(named) and _FINGERPRINT.match(request.fingerprint) is not None
