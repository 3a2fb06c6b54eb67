"""The alerts about Sluice, sent to Sluice: ignored in every setting, so a failing gateway never asks to be remedied."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.functions.webhooks import alert, webhook

RULES = Path(__file__).parents[3] / "knative" / "monitoring" / "prometheus-rule.yaml"
OWN: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(RULES.read_text())["spec"]["groups"] for rule in group["rules"]
]


@pytest.mark.parametrize("untargeted", ["ignore", "namespace", "reject"])
async def test_alerts_about_sluice_are_its_own_doing(function, scripted, untargeted):
    function.set(untargeted=untargeted)
    firing = [alert(labels={"alertname": rule["alert"], **rule["labels"]}) for rule in OWN]
    answer = await function.post(webhook(*firing))  # no call is made: `scripted` would refuse it
    assert answer.status == 200, answer.body
    assert {line["status"] for line in answer.json["results"]} == {"ignored"}
    assert {line["reason"] for line in answer.json["results"]} <= {"own", "rule"}  # a rule looks before
