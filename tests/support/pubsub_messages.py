"""Pub/Sub messages as Eventarc delivers them, and the Cloud Monitoring incidents that come in them."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

PUBLISHED = "google.cloud.pubsub.topic.v1.messagePublished"
SOURCE = "//pubsub.googleapis.com/projects/shop/topics/alerts"
MESSAGE_ID = "14127310958871451"
PUBLISH_TIME = "2026-01-02T03:04:05.123Z"

CONTAINER = {
    "project_id": "shop",
    "location": "europe-west1",
    "cluster_name": "eu-1",
    "namespace_name": "prod",
    "pod_name": "web-7d4b9c6f5d-x2x9k",
    "container_name": "web",
}


def envelope(content: object, *, message_id: str = MESSAGE_ID, **message: Any) -> dict[str, Any]:
    """MessagePublishedData: both spellings of each field come. `content` that is no bytes is written as JSON."""
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return {
        "message": {
            "data": b64encode(raw).decode(),
            "attributes": {"origin": "test"},
            "messageId": message_id,
            "message_id": message_id,
            "publishTime": PUBLISH_TIME,
            "publish_time": PUBLISH_TIME,
        }
        | message,
        "subscription": "projects/shop/subscriptions/eventarc-europe-west1-sluice-sub-123",
        "deliveryAttempt": 1,
    }


def incident(kind: str = "k8s_container", labels: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    """Notification of schema version 1.2 about a resource of `kind`, open unless `fields` say otherwise."""
    resource = CONTAINER if labels is None else labels
    return {
        "version": "1.2",
        "incident": {
            "incident_id": "0.opqiw61fsv7p",
            "scoping_project_id": "shop",
            "scoping_project_number": 12345,
            "url": "https://console.cloud.google.com/monitoring/alerting/incidents/0.opqiw61fsv7p?project=shop",
            "started_at": 1767323040,
            "ended_at": None,
            "state": "open",
            "summary": "Memory limit utilization for shop web is above the threshold of 0.9 with a value of 0.97.",
            "apigee_url": "https://www.apigee.com",
            "observed_value": "0.970",
            "resource": {"type": kind, "labels": resource},
            "resource_type_display_name": "Kubernetes Container",
            "resource_id": "11223344",
            "resource_display_name": "web",
            "resource_name": "shop web",
            "metric": {
                "type": "kubernetes.io/container/memory/limit_utilization",
                "displayName": "Memory limit utilization",
                "labels": {"memory_type": "non-evictable"},
            },
            "metadata": {"system_labels": {"top_level_controller_name": "web"}, "user_labels": {"app": "web"}},
            "policy_name": "Memory is short",
            "policy_user_labels": {"team": "shop"},
            "documentation": {"content": "See the runbook.", "mime_type": "text/markdown", "subject": "Memory"},
            "condition": {"name": "projects/shop/alertPolicies/1/conditions/2", "displayName": "limit utilization"},
            "condition_name": "limit utilization",
            "threshold_value": "0.9",
            "severity": "Critical",
        }
        | fields,
    }
