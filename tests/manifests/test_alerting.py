"""The alerts about Sluice fire when they should, and not else; each has its page, and none can make a loop."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.manifests.building import ROOT
from tests.support.prometheus import find_prometheus

if TYPE_CHECKING:
    from pathlib import Path

RULES: dict[str, Any] = yaml.safe_load((ROOT / "monitoring" / "prometheus-rule.yaml").read_text())["spec"]
ALERTS: dict[str, Any] = {rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"]}

POSTS = "gateway_http_request_duration_seconds_count"
BUCKETS = "gateway_http_request_duration_seconds_bucket"
RECEIVED = "gateway_signals_received_total"
NO_TARGET = 'gateway_signals_ignored_total{reason="no_target"}'
BREAKER = 'gateway_circuit_breaker_state{name="kubernetes-api"}'
LETTERS = "gateway_dead_letters_total"
KEPT, EXPIRED, REFUSED = (f'{LETTERS}{{outcome="{outcome}"}}' for outcome in ("kept", "expired", "refused"))
FAILED = 'gateway_signals_failed_total{source_type="alert"}'
BOUNDS = {bound: f'{BUCKETS}{{method="POST",le="{bound}"}}' for bound in ("1.024", "10.0", "+Inf")}
FAST = dict.fromkeys(BOUNDS.values(), "0+60x180")

# alert, series, what they are for a minute each, whether it fires after three hours
CASES: list[tuple[str, dict[str, str], bool]] = [
    ("SluiceNotStoring", {FAILED: "0+1x180"}, True),
    ("SluiceNotStoring", {FAILED: "0+1x20 20+0x160"}, False),
    ("SluiceBreakerOpen", {BREAKER: "2x180"}, True),
    ("SluiceBreakerOpen", {BREAKER: "0x170 2x0 1x9"}, False),
    ("SluiceRefusingSenders", {f'{POSTS}{{method="POST",status="401"}}': "0+2x180"}, True),
    ("SluiceRefusingSenders", {f'{POSTS}{{method="POST",status="201"}}': "0+2x180"}, False),
    ("SluiceUntargeted", {NO_TARGET: "0+6x180", RECEIVED: "0+1x180"}, True),
    ("SluiceUntargeted", {NO_TARGET: "0+1x180", RECEIVED: "0+6x180"}, False),
    ("SluiceSlow", FAST | {BOUNDS["1.024"]: "0+50x180"}, True),
    ("SluiceSlow", FAST, False),
    (
        "SluiceDeliveriesAgain",
        {f'{POSTS}{{method="POST",status="503"}}': "0+3x180", f'{POSTS}{{method="POST",status="201"}}': "0+3x180"},
        True,
    ),
    (
        "SluiceDeliveriesAgain",
        {f'{POSTS}{{method="POST",status="503"}}': "0+1x180", f'{POSTS}{{method="POST",status="201"}}': "0+60x180"},
        False,
    ),
    ("SluicePoison", {'gateway_signals_rejected_total{reason="malformed_alert"}': "0+1x180"}, True),
    ("SluicePoison", {'gateway_signals_rejected_total{reason="out_of_scope"}': "0+1x180"}, False),
    ("SluicePoison", {'gateway_signals_rejected_total{reason="silenced"}': "0+1x180"}, False),
    # An instance that was at zero has counted before its first scrape, and is at zero again soon.
    ("SluicePoison", {'gateway_signals_rejected_total{reason="malformed_alert"}': "_x150 1x3 stale"}, True),
    ("SluicePoison", {'gateway_signals_rejected_total{reason="malformed_alert"}': "1x180"}, False),
    ("SluiceDeadLetters", {KEPT: "0x150 1x30"}, True),
    ("SluiceDeadLetters", {KEPT: "_x150 1x3 stale"}, True),
    ("SluiceDeadLetters", {KEPT: "1x180"}, False),
    ("SluiceDeadLetters", {KEPT: "_x60 1x3 stale"}, False),
    ("SluiceDeadLetters", {EXPIRED: "0x150 2x30"}, True),
    ("SluiceDeadLetters", {f'{LETTERS}{{outcome="repeated"}}': "0+1x180"}, False),
    ("SluiceDeadLettersRefused", {REFUSED: "0x175 1x5"}, True),
    ("SluiceDeadLettersRefused", {REFUSED: "_x175 1x2 stale"}, True),
    ("SluiceDeadLettersRefused", {REFUSED: "_x100 1x2 stale"}, False),
    ("SluiceDeadLettersRefused", {KEPT: "0+1x180"}, False),
    ("SluiceNoTraffic", {f'{POSTS}{{method="POST",status="201"}}': "0+1x30 30+0x150"}, True),
    ("SluiceNoTraffic", {f'{POSTS}{{method="POST",status="201"}}': "0+1x180"}, False),
    ("SluiceNoTraffic", {f'{POSTS}{{method="GET",status="200"}}': "0+1x180"}, False),
]


def promtool(*arguments: str, folder: Path) -> None:
    (folder / "rules.yml").write_text(json.dumps(RULES))
    command = [str(find_prometheus().promtool), *arguments]
    checked = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_rules_are_what_prometheus_takes(tmp_path: Path) -> None:
    promtool("check", "rules", "rules.yml", folder=tmp_path)


def test_each_alert_has_a_case_that_fires_and_one_that_does_not() -> None:
    assert {(name, fires) for name, _, fires in CASES} == {(name, fires) for name in ALERTS for fires in (True, False)}


def test_alerts_fire_where_they_should_and_only_there(tmp_path: Path) -> None:
    def judged(name: str, series: dict[str, str], *, fires: bool) -> dict[str, Any]:
        rule = ALERTS[name]
        labels = dict(rule["labels"])
        for grouped in re.findall(r"^sum by \((\w+)\)", rule["expr"]):
            labels |= dict(re.findall(rf'({grouped})="(\w+)"', next(iter(series))))
        expected = [{"exp_labels": labels, "exp_annotations": rule["annotations"]}] if fires else []
        return {
            "interval": "1m",
            "input_series": [{"series": key, "values": values} for key, values in series.items()],
            "alert_rule_test": [{"eval_time": "180m", "alertname": name, "exp_alerts": expected}],
        }

    tests = [judged(name, series, fires=fires) for name, series, fires in CASES]
    (tmp_path / "tests.yml").write_text(json.dumps({"rule_files": ["rules.yml"], "tests": tests}))
    promtool("test", "rules", "tests.yml", folder=tmp_path)


@pytest.mark.parametrize("name", ALERTS)
def test_each_alert_has_its_page_with_its_query(name: str) -> None:
    runbook = ALERTS[name]["annotations"]["runbook"]
    assert runbook == f"docs/runbooks/{name}.md"
    assert ALERTS[name]["expr"] in (ROOT.parent / runbook).read_text()
