"""What the sender is answered. One code fits all callers: see docs/answers.md."""

from __future__ import annotations

import math
from collections import Counter
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic_core import to_json

from core.common.text import cut_utf8
from core.results import Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.results import SignalResult
    from core.signals.signal import TargetResource

JSON = "application/json"
PROBLEM = "application/problem+json"  # RFC 9457

SENTENCES_OF_A_KIND = 20
"""Results alike, by status and reason, that say why in words; the others have the reason alone."""

UNMANAGED = "unmanaged_resource"
"""Of a target out of scope (kubernaut: RejectionReasonUnmanagedResource)."""

_SENTENCE_BYTES = 1024
_LONGEST_RETRY_AFTER = 60
_UNSTORED = (Status.INVALID, Status.FAILED, Status.REJECTED)


class Answer(NamedTuple):
    """An HTTP answer, already encoded. What has no body has no `media_type`."""

    status: int
    body: bytes
    media_type: str | None = JSON
    headers: Mapping[str, str] = MappingProxyType({})


def answer(results: Sequence[SignalResult], *, truncated: int = 0) -> Answer:
    """Answer a batch: 2xx only where everything it acknowledges is stored.

    Any failed result makes it 503, the one code that Alertmanager, ApiServerSource, Broker and Pub/Sub
    all retry; 400 says that every alert in the body is poison.
    """
    counts = Counter(result.status for result in results)
    content = _content(results, counts, truncated)
    if failed := counts[Status.FAILED]:
        first = next(result for result in results if result.status is Status.FAILED)
        why = _cut(first.error)
        seconds = max(result.retry_after for result in results)
        detail = f"{failed} of {len(results)} alerts could not be stored now; send the same request again: {why}"
        return problem(503, detail, retry_after=seconds, content=content)
    if results and counts[Status.INVALID] == len(results):
        return problem(400, f"no alert in this body can ever be stored: {_cut(results[0].error)}", content=content)
    return Answer(_success(counts), to_json(_alone(content["results"]) | content))


_PROBLEM_TYPES = {
    400: "validation-error",
    405: "method-not-allowed",
    413: "payload-too-large",
    415: "unsupported-media-type",
    503: "service-unavailable",
}


def problem_type(status: int) -> str:
    """Return the URI that programs know a problem by (kubernaut: ErrorType...); `about:blank`, by which the code says
    all (RFC 9457), where kubernaut has none."""
    name = _PROBLEM_TYPES.get(status)
    return f"https://kubernaut.ai/problems/{name}" if name else "about:blank"


def problem(
    status: int,
    detail: str,
    *,
    retry_after: float | None = None,
    content: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Answer with problem+json (RFC 9457), the results of each alert beside it.

    Args:
        status: HTTP status code.
        detail: sentence that names field, value and remedy.
        retry_after: seconds, rounded up; at most a minute.
        content: summary and results; empty ones where no alert was looked at.
        headers: further ones.
    """
    body = {"type": problem_type(status), "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    all_headers = dict(headers or {})
    if retry_after is not None:
        all_headers["Retry-After"] = str(min(max(1, math.ceil(retry_after)), _LONGEST_RETRY_AFTER))
    return Answer(status, to_json(body | dict(content or _content((), Counter(), 0))), PROBLEM, all_headers)


def _alone(lines: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the one line of an answer to one alert, for beside the results: kubernaut's senders look there
    (kubernaut: ProcessingResponse)."""
    if len(lines) != 1:
        return {}
    (line,) = lines
    return line | {"status": "duplicate" if line["status"] == Status.DEDUPLICATED else line["status"]}


def _success(counts: Counter[Status]) -> int:
    if counts[Status.CREATED]:
        return 201
    return 202 if counts[Status.DEDUPLICATED] else 200


def _content(results: Sequence[SignalResult], counts: Counter[Status], truncated: int) -> dict[str, Any]:
    summary = {"received": len(results), **{status.value: counts[status] for status in Status}}
    if truncated:
        summary["truncated"] = truncated
    told: Counter[tuple[str, str]] = Counter()
    return {"summary": summary, "results": [_line(result, told) for result in results]}


def _line(result: SignalResult, told: Counter[tuple[str, str]]) -> dict[str, Any]:
    """Write a result. A small body of many broken alerts must not make a large answer: of results that are alike
    only the first few say why at length."""
    line: dict[str, Any] = {"status": result.status.value}
    if result.fingerprint:
        line["fingerprint"] = result.fingerprint
    if result.rr_name:
        line["remediationRequestName"] = result.rr_name
        line["remediationRequestNamespace"] = result.rr_namespace
        line["duplicate"] = result.status is Status.DEDUPLICATED
        line["metadata"] = result.metadata
    if result.target:
        line["target"] = _target(result.target)
    if result.found_by:
        line["foundBy"] = result.found_by
    if result.reason:
        line["reason"] = result.reason
    if result.silenced_until:
        line["silencedUntil"] = result.silenced_until
    if result.remedy:
        line["rejection"] = {"reason": UNMANAGED, "action": _cut(result.remedy)}
    if result.error:
        told[result.status, result.reason] += 1
        if told[result.status, result.reason] <= SENTENCES_OF_A_KIND:
            line["error" if result.status in _UNSTORED else "detail"] = _cut(result.error)
    return line


def _target(target: TargetResource) -> dict[str, str]:
    named = {"kind": target.kind, "name": target.name}
    return named | {"namespace": target.namespace} if target.namespace else named


def _cut(sentence: str) -> str:
    return cut_utf8(sentence, limit=_SENTENCE_BYTES)
