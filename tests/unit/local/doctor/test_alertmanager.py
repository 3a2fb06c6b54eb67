"""What in Alertmanager's configuration loses alerts, or sends what is about nothing."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.local.doctor.alertmanager import check_alertmanager
from core.local.doctor.findings import Level
from core.settings import Settings

EXAMPLE = Path(__file__).parents[4] / "knative" / "examples" / "alertmanager.yml"
SETTINGS = Settings(namespace="ops")


@pytest.fixture
def config() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text())
    return deepcopy(loaded)


def webhook(config: dict[str, Any]) -> dict[str, Any]:
    receiver = next(each for each in config["receivers"] if each.get("webhook_configs"))
    found: dict[str, Any] = receiver["webhook_configs"][0]
    return found


def messages(config: dict[str, Any], settings: Settings = SETTINGS) -> list[str]:
    return [
        f"{each.level.value}: {each.message}" for each in check_alertmanager(config, settings) if each.level != Level.OK
    ]


def test_example_is_well(config):
    assert messages(config) == []


def test_no_receiver_of_ours(config):
    webhook(config)["url"] = "https://hooks.example.com/x"
    assert messages(config) == ["failure: no receiver has a webhook_config of Sluice's"]


def test_url_that_the_api_hides_is_known_by_the_receivers_name(config):
    webhook(config)["url"] = "<secret>"
    assert messages(config) == []


def test_alerts_that_are_cut_off(config):
    webhook(config)["max_alerts"] = 50
    (message,) = messages(config)
    assert message.startswith("failure: receiver sluice has max_alerts: 50")


def test_resolved_alerts_that_are_kept_back(config):
    webhook(config)["send_resolved"] = False
    (message,) = messages(config)
    assert message.startswith("warning: receiver sluice has send_resolved: false")


@pytest.mark.parametrize(("timeout", "told"), [("5s", 1), ("1m30s", 0), ("0s", 0), ("500ms", 1)])
def test_timeout_shorter_than_the_functions(config, timeout, told):
    webhook(config)["timeout"] = timeout
    assert len(messages(config)) == told


def test_missing_token(config):
    del webhook(config)["http_config"]
    (message,) = messages(config)
    assert "sends no token, and SLUICE_AUTH=kubernetes wants one" in message
    assert messages(config, Settings(namespace="ops", auth="none")) == []


def test_token_of_the_global_section_counts(config):
    config["global"] = {"http_config": webhook(config).pop("http_config")}
    assert messages(config) == []


def test_alerts_about_no_object(config):
    config["route"] = {"receiver": "sluice"}
    (message,) = messages(config)
    assert message.startswith("warning: Watchdog, InfoInhibitor, AlertmanagerFailedToSendAlerts")


@pytest.mark.parametrize(
    "child",
    [
        {"match": {"alertname": "Watchdog"}},
        {"match_re": {"alertname": "Watch.*"}},
        {"matchers": ['alertname="Watchdog"']},
        {"matchers": ["alertname = Watchdog"]},
        {"matchers": ['alertname=~"Watchdog|Other"', 'severity!="critical"']},
        {"matchers": ['alertname!~"[^W].*"']},
    ],
)
def test_routes_are_followed_as_alertmanager_does(config, child):
    config["route"] = {"receiver": "sluice", "routes": [{"receiver": "null", **child}]}
    assert "Watchdog" not in messages(config)[0]
    config["route"]["routes"][0]["continue"] = True
    config["route"]["routes"].append({"receiver": "sluice"})
    assert "Watchdog" in messages(config)[0]


def test_receiver_that_no_route_names(config):
    config["route"] = {"receiver": "null"}
    assert messages(config) == ["failure: no route leads to sluice"]


def test_configuration_of_any_shape_is_no_stack_trace():
    shapes: list[dict[str, Any]] = [{}, {"receivers": 7}, {"receivers": [7, {"webhook_configs": [3]}]}, {"route": []}]
    for wild in shapes:
        assert messages(wild)[0].startswith("failure: ")
