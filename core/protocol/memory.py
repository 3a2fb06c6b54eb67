"""Requests seen lately, so that a repeat needs no LIST. Wrong contents cost a call, never a mistake: the
PATCH that uses them carries their resourceVersion, and another problem's request is never handed out."""

from collections import OrderedDict

from core.models.remediation_request import RemediationRequest


class RequestMemory:
    """A bounded map from fingerprint to the request last seen active; the least recently used one goes first."""

    def __init__(self, *, capacity: int) -> None:
        self._capacity = capacity
        self._requests: OrderedDict[str, RemediationRequest] = OrderedDict()

    def get(self, fingerprint: str) -> RemediationRequest | None:
        """Return the remembered request, or None."""
        request = self._requests.get(fingerprint)
        if request is None or request.fingerprint != fingerprint:
            return None
        self._requests.move_to_end(fingerprint)
        return request

    def remember(self, request: RemediationRequest) -> None:
        """Keep an active request; a terminal one is forgotten instead."""
        if not request.active:
            self.forget(request.fingerprint)
            return
        self._requests[request.fingerprint] = request
        self._requests.move_to_end(request.fingerprint)
        if len(self._requests) > self._capacity:
            self._requests.popitem(last=False)

    def forget(self, fingerprint: str) -> None:
        """Drop what is remembered of a fingerprint."""
        self._requests.pop(fingerprint, None)
