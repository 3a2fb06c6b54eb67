"""API calls as the API server itself counted them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from tests.apiserver import KubeApiserver

# The API server's calls on itself have no place in the figures: those of these kinds are the gateway's.
_RESOURCES = ("remediationrequests", "leases", "pods", "replicasets", "deployments")
_REVIEWS = ("tokenreviews", "subjectaccessreviews")


def count_calls(server: KubeApiserver) -> Counter[str]:
    """Return how many calls of each kind the server has answered so far."""
    answer = server.request("GET", "/metrics")
    assert answer.status == 200
    text = answer.body if isinstance(answer.body, str) else answer.body.decode()
    return parse_calls(text)


def parse_calls(text: str) -> Counter[str]:
    """Read `apiserver_request_total` of the kinds the gateway uses, such as `PATCH remediationrequests/status`."""
    wanted = "\n".join(line for line in text.splitlines() if "apiserver_request_total" in line)
    calls: Counter[str] = Counter()
    for family in text_string_to_metric_families(wanted + "\n"):
        for sample in family.samples:
            resource = sample.labels.get("resource", "")
            if resource in _RESOURCES + _REVIEWS:
                subresource = sample.labels.get("subresource", "")
                kind = f"{resource}/{subresource}" if subresource else resource
                calls[f"{sample.labels['verb']} {kind}"] += int(sample.value)
    return calls
