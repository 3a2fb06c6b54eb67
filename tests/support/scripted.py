"""A Transport that plays a script: the calls must be exactly the script's, in its order."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from multidict import CIMultiDict

from core.kube.transport import ApiRequest, ApiResponse
from tests.support.wire import describe

if TYPE_CHECKING:
    from collections.abc import Callable

    Answer = ApiResponse | Exception | Callable[[ApiRequest], ApiResponse]

DATE = "Fri, 02 Jan 2026 03:04:05 GMT"


class Scripted:
    """Each line is a call, as `describe` words it, and its answer.

    A call that is not the next line fails at once, and again in `finish` where what was tested swallowed the failure.
    """

    def __init__(self, *lines: tuple[str, Answer]) -> None:
        self.lines = list(lines)
        self.requests: list[ApiRequest] = []
        self.timeouts: list[float] = []
        self.closed = False
        self._unexpected: list[str] = []

    def then(self, call: str, answer: Answer) -> None:
        """Add a line."""
        self.lines.append((call, answer))

    async def send(self, request: ApiRequest, *, timeout: float) -> ApiResponse:
        call = describe(request)
        if not self.lines or self.lines[0][0] != call:
            self._unexpected.append(call)
            raise AssertionError(f"unexpected call {call}; the script goes on with {self.lines[:1]}")
        self.requests.append(request)
        self.timeouts.append(timeout)
        _, answer = self.lines.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, ApiResponse) else answer(request)

    async def close(self) -> None:
        self.closed = True

    @property
    def bodies(self) -> list[Any]:
        """The decoded bodies sent so far."""
        return [json.loads(request.body) for request in self.requests if request.body is not None]

    def finish(self) -> None:
        """Fail unless the script was played to its end, and nothing else was called."""
        assert not self._unexpected, f"unexpected calls: {self._unexpected}"
        assert not self.lines, f"calls that were not made: {[call for call, _ in self.lines]}"


def answered(status: int, body: object = None, **headers: str) -> ApiResponse:
    """An answer with a JSON body; `Retry_After="3"` gives the header Retry-After."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    content = body if isinstance(body, bytes) else json.dumps(body if body is not None else {}).encode()
    return ApiResponse(status, CIMultiDict({"Date": DATE} | given), content)


def reviewed(status: object = None, *, spec: object = ..., **fields: object) -> Callable[[ApiRequest], ApiResponse]:
    """Answer a TokenReview or SubjectAccessReview as the API server does: the question with its `status`.

    A `spec` and other fields that are given stand in place of the question's.
    """

    def answer(request: ApiRequest) -> ApiResponse:
        review: dict[str, Any] = json.loads(request.body or b"{}") | {"metadata": {}} | fields
        if spec is not ...:
            review["spec"] = spec
        return answered(201, review if status is None else review | {"status": status})

    return answer


TOO_LONG = {"causes": [{"reason": "FieldValueTooLong", "message": "too long", "field": "spec.severity"}]}
"""Details of a Status that names a field which the alert fills."""


def refused(
    status: int, reason: str = "", *, message: str = "", details: dict[str, Any] | None = None, **headers: str
) -> ApiResponse:
    """An answer that carries a metav1.Status."""
    body: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status}
    if reason:
        body["reason"] = reason
    if message:
        body["message"] = message
    if details is not None:
        body["details"] = details
    return answered(status, body, **headers)
