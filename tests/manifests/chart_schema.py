"""values.schema.json of the Helm chart: `python -m tests.manifests.chart_schema` (`make chart`) writes it anew.

What the chart's values mean is its own; which settings there are, and what each takes, comes from the code.
"""

from __future__ import annotations

import json
import sys
from typing import Any, get_args

from core.settings import Settings
from tests.manifests.building import ROOT

FILE = ROOT / "helm" / "sluice" / "values.schema.json"
_NUMBERS: dict[object, str] = {int: "^[0-9]+$", float: "^[0-9]+([.][0-9]+)?$"}
_DNS_LABEL = "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
_ACCOUNT = "^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$"

Schema = dict[str, Any]


def schema() -> Schema:
    """JSON Schema of values.yaml, which Helm asks before it renders anything."""
    settings = closed({f"SLUICE_{name.upper()}": setting(name) for name in Settings.fields})
    settings["description"] = "as text: YAML makes 8.388608e+06 of a large number"
    function = {
        "enabled": {"type": "boolean"},
        "minScale": {"type": "integer", "minimum": 0, "maximum": 1000},
        "maxScale": {"type": "integer", "minimum": 0, "maximum": 1000},
        "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
        "env": ref("settings"),
        "resources": closed({each: {"type": "object"} for each in ("requests", "limits")}),
    }
    events = {"namespaceSelector": {"type": "object"}, "senderTokens": {"type": "boolean"}}
    account = closed(
        {"name": {"type": "string", "pattern": _ACCOUNT}, "namespace": {"type": "string", "pattern": _DNS_LABEL}}
    )
    image = {
        "repository": {"type": "string", "pattern": "^[^\\s@]+$"},
        "tag": {"type": "string", "pattern": "^[\\w.-]{0,128}$"},
        "digest": {"type": "string", "pattern": "^(sha256:[a-f0-9]{64})?$"},
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "definitions": {"settings": settings},
        **closed(
            {
                "image": closed(image),
                "settings": ref("settings"),
                "rules": {"type": "array", "items": {"type": "object"}},
                "senders": {"type": "array", "items": account | {"required": ["name", "namespace"]}},
                "alertmanager": closed(function),
                "pubsub": closed(function),
                "kubernetesEvent": closed(function | events),
                "deadLetters": closed({name: each for name, each in function.items() if name != "enabled"}),
                "metricsNamespace": {"type": "string", "pattern": _DNS_LABEL},
                "monitoring": closed(
                    {
                        "enabled": {"type": "boolean"},
                        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                    }
                ),
                "apiServerPorts": {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 65535}},
                "disruptionBudget": closed({"enabled": {"type": "boolean"}}),
                "quota": closed({"enabled": {"type": "boolean"}}),
                "namespace": closed({"create": {"type": "boolean"}}),
                "global": {"type": "object"},  # Helm's own
            }
        ),
    }


def closed(properties: Schema) -> Schema:
    """An object that has no other fields: a misspelt one is refused."""
    return {"type": "object", "additionalProperties": False, "properties": properties}


def ref(name: str) -> Schema:
    """What stands under `definitions`."""
    return {"$ref": f"#/definitions/{name}"}


def setting(name: str) -> Schema:
    """What a ConfigMap may hold for a field of Settings: always text."""
    field = Settings.fields[name]
    if field.annotation in _NUMBERS:
        return {"type": "string", "pattern": _NUMBERS[field.annotation]}
    if choices := get_args(field.annotation):
        return {"type": "string", "enum": list(choices)}
    found: Schema = {"type": "string"}
    if pattern := field.bounds.get("pattern"):
        found["pattern"] = pattern
    return found


def text() -> str:
    """The file's content."""
    return json.dumps(schema(), indent=2) + "\n"


def main() -> int:
    """Write the file; say where."""
    FILE.write_text(text())
    sys.stdout.write(f"written: {FILE.relative_to(ROOT.parent)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
