"""The ways to point an Alertmanager at Sluice, judged by Alertmanager's own tool."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e import alertmanager_programs

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "knative" / "examples"
AWAY = ["Watchdog", "InfoInhibitor", "AlertmanagerFailedToSendAlerts", "AlertmanagerClusterFailedToSendAlerts"]


def own_file() -> Any:
    return yaml.safe_load((EXAMPLES / "alertmanager.yml").read_text())


def snippet_of_the_readme() -> Any:
    (snippet,) = [
        block
        for block in re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
        if "webhook_configs" in block
    ]
    return yaml.safe_load(snippet)


def of_prometheus_operator() -> Any:
    """The configuration that the operator writes for the example, apart from its names' prefix."""
    return _translated(yaml.safe_load((EXAMPLES / "alertmanager-config.yaml").read_text())["spec"])


def _translated(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"name", "matchType", "value"}:
            return f'{value["name"]}{value["matchType"]}"{value["value"]}"'
        if value.keys() == {"name", "key"}:
            return "the secret's text"
        return {re.sub("[A-Z]", lambda big: f"_{big[0].lower()}", key): _translated(value[key]) for key in value}
    return [_translated(each) for each in value] if isinstance(value, list) else value


@pytest.fixture(params=[own_file, snippet_of_the_readme, of_prometheus_operator])
def configuration(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "alertmanager.yml"
    path.write_text(yaml.safe_dump(request.param()))
    return path


def amtool(*arguments: str) -> str:
    command = [str(alertmanager_programs.amtool()), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_a_whole_configuration(configuration: Path) -> None:
    assert "SUCCESS" in amtool("check-config", str(configuration))


@pytest.mark.parametrize("name", AWAY)
def test_alert_that_is_about_no_object_or_about_delivery_goes_elsewhere(configuration: Path, name: str) -> None:
    routed = amtool("config", "routes", "test", f"--config.file={configuration}", f"alertname={name}", "namespace=x")
    assert routed.split() == ["null"]


@pytest.mark.parametrize("name", ["KubePodCrashLooping", "AlertmanagerFailedReload", "WatchdogOfMine"])
def test_any_other_alert_goes_to_sluice(configuration: Path, name: str) -> None:
    routed = amtool("config", "routes", "test", f"--config.file={configuration}", f"alertname={name}", "namespace=x")
    assert routed.split() == ["sluice"]
