"""functions/deploy-google.sh, with a gcloud that writes down how it was called."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "functions" / "deploy-google.sh"
REQUIRED = {
    "GOOGLE_CLOUD_PROJECT": "shop",
    "SERVICE_ACCOUNT": "sluice@shop.iam.gserviceaccount.com",
    "SLUICE_API_SERVER": "https://192.0.2.1",
    "SLUICE_API_CA": "Q0E=",
    "SLUICE_CLUSTER": "east",
    "TOPIC": "incidents",
}
GCLOUD = """#!{python}
import json, os, sys
with open({calls!r}, "a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
if {failing!r} in sys.argv:
    sys.exit(1)
if "list" in sys.argv and not {missing}:
    print("projects/shop/notificationChannels/7")
if sys.argv[1:3] == ["projects", "describe"]:
    print("123456")
    sys.exit(0)
sys.exit(1 if {missing} and "describe" in sys.argv else {exit_code})
"""

# Flags of the commands that the script uses, from gcloud's reference; `--project` is one of all commands.
DOCUMENTED = {
    "services enable": set(),
    "iam service-accounts describe": set(),
    "iam service-accounts create": {"--display-name"},
    "pubsub topics describe": set(),
    "pubsub topics create": set(),
    "pubsub topics add-iam-policy-binding": {"--member", "--role"},
    "beta monitoring channels list": {"--filter", "--format"},
    "beta monitoring channels create": {"--display-name", "--type", "--channel-labels"},
    "projects describe": {"--format"},
    "functions add-invoker-policy-binding": {"--region", "--member"},
    "functions deploy": {
        "--gen2",
        "--region",
        "--runtime",
        "--source",
        "--entry-point",
        "--trigger-topic",
        "--retry",
        "--trigger-service-account",
        "--trigger-http",
        "--no-allow-unauthenticated",
        "--service-account",
        "--ingress-settings",
        "--cpu",
        "--memory",
        "--concurrency",
        "--timeout",
        "--min-instances",
        "--max-instances",
        "--set-build-env-vars",
        "--set-env-vars",
        "--vpc-connector",
        "--egress-settings",
    },
}


ALL = ("alertmanager", "kubernetes_event", "pubsub")
PUBLISHER = "--role=roles/pubsub.publisher"
MONITORING = "serviceAccount:service-123456@gcp-sa-monitoring-notification.iam.gserviceaccount.com"


class Google:
    """A folder with a gcloud in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._calls = folder / "calls"
        self.answer(0)

    def answer(self, exit_code: int, *, missing: bool = False, failing: str = "-") -> None:
        """Let gcloud end with this code from now on; `missing`: it can describe nothing; `failing`: what fails."""
        gcloud = self._folder / "gcloud"
        gcloud.write_text(
            GCLOUD.format(
                python=sys.executable,
                calls=str(self._calls),
                exit_code=exit_code,
                missing=missing,
                failing=failing,
            )
        )
        gcloud.chmod(0o755)

    @property
    def calls(self) -> list[list[str]]:
        return [json.loads(line) for line in self._calls.read_text().splitlines()] if self._calls.exists() else []

    @property
    def deployments(self) -> list[list[str]]:
        return [call for call in self.calls if call[:2] == ["functions", "deploy"]]

    def deploy(self, *arguments: str, without: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        given = {name: value for name, value in (REQUIRED | more).items() if name != without}
        path = f"{self._folder}{os.pathsep}{os.defpath}"
        return subprocess.run(
            [str(SCRIPT), *arguments], env={"PATH": path} | given, capture_output=True, text=True, check=False
        )


@pytest.fixture
def google(tmp_path: Path) -> Google:
    return Google(tmp_path)


def flags(call: list[str]) -> dict[str, str]:
    return dict(word.split("=", 1) for word in call if word.startswith("--") and "=" in word)


def test_what_works_from_end_to_end_is_deployed_where_nothing_is_named(google: Google) -> None:
    assert google.deploy().returncode == 0
    assert [call[2] for call in google.deployments] == ["sluice-pubsub"]


def test_all_three_functions_can_be_deployed(google: Google) -> None:
    done = google.deploy(*ALL)
    assert done.returncode == 0, done.stderr
    assert [call[:4] for call in google.deployments] == [
        ["functions", "deploy", f"sluice-{name.replace('_', '-')}", "--gen2"] for name in ALL
    ]
    for call, name in zip(google.deployments, ALL, strict=True):
        given = flags(call)
        assert given["--entry-point"] == name
        assert given["--set-build-env-vars"] == f"GOOGLE_FUNCTION_SOURCE=functions/{name}.py"
        assert given["--service-account"] == REQUIRED["SERVICE_ACCOUNT"]
        assert (given["--cpu"], given["--concurrency"]) == ("1", "80")
        assert given["--set-env-vars"] == (
            "^@@^SLUICE_API_CA=Q0E=@@SLUICE_API_SERVER=https://192.0.2.1@@SLUICE_AUTH=none@@"
            "SLUICE_AUTH_NONE=i-have-another-gate@@SLUICE_CLUSTER=east@@SLUICE_NAMESPACE=sluice-system"
        )


def test_events_come_by_topic_with_retry_and_alerts_by_http_with_a_token(google: Google) -> None:
    google.deploy(*ALL)
    alertmanager, events, pubsub = google.deployments
    for call in (alertmanager, events):
        assert {"--trigger-http", "--no-allow-unauthenticated"} <= set(call)
    account = f"--trigger-service-account={REQUIRED['SERVICE_ACCOUNT']}"
    assert {"--trigger-topic=incidents", "--retry", account} <= set(pubsub)
    assert "--trigger-http" not in pubsub


def test_settings_reach_the_function_whatever_they_hold(google: Google) -> None:
    google.deploy("pubsub", SLUICE_SCOPE_LABEL="kubernaut.ai/managed=true", DEAD_LETTER_TOPIC="projects/p/topics/dead")
    (call,) = google.deployments
    settings = flags(call)["--set-env-vars"].removeprefix("^@@^").split("@@")
    assert "SLUICE_SCOPE_LABEL=kubernaut.ai/managed=true" in settings
    assert "SLUICE_DEAD_LETTER_TOPIC=projects/p/topics/dead" in settings


def test_private_endpoint_is_reached_through_a_connector(google: Google) -> None:
    google.deploy("alertmanager", VPC_CONNECTOR="inside", MIN_INSTANCES="1", REGION="us-east1")
    given = flags(google.deployments[0])
    assert given["--vpc-connector"] == "inside"
    assert given["--egress-settings"] == "private-ranges-only"
    assert (given["--min-instances"], given["--region"]) == ("1", "us-east1")


def test_what_the_project_lacks_is_made_before_it_is_used(google: Google) -> None:
    google.answer(0, missing=True)
    assert google.deploy("pubsub", DEAD_LETTER_TOPIC="projects/shop/topics/dead").returncode == 0
    account, project = REQUIRED["SERVICE_ACCOUNT"], "--project=shop"
    deployed = google.calls.index(google.deployments[0])
    assert google.calls[:deployed] == [
        [
            "services",
            "enable",
            project,
            *(f"{api}.googleapis.com" for api in ("cloudbuild", "artifactregistry", "cloudfunctions", "run")),
            "eventarc.googleapis.com",
            "pubsub.googleapis.com",
            "monitoring.googleapis.com",
        ],
        ["iam", "service-accounts", "describe", account, project],
        ["iam", "service-accounts", "create", "sluice", project, "--display-name=Sluice"],
        ["pubsub", "topics", "describe", "incidents", project],
        ["pubsub", "topics", "create", "incidents", project],
        ["pubsub", "topics", "describe", "projects/shop/topics/dead", project],
        ["pubsub", "topics", "create", "projects/shop/topics/dead", project],
        [
            *("pubsub", "topics", "add-iam-policy-binding", "projects/shop/topics/dead", project),
            *(f"--member=serviceAccount:{account}", PUBLISHER),
        ],
    ]
    assert google.calls[deployed + 1 :] == [
        [
            *("functions", "add-invoker-policy-binding", "sluice-pubsub", project),
            *("--region=europe-west1", f"--member=serviceAccount:{account}"),
        ],
        [
            *("beta", "monitoring", "channels", "list", project),
            *('--filter=type="pubsub" AND labels.topic="projects/shop/topics/incidents"', "--format=value(name)"),
        ],
        ["projects", "describe", "shop", "--format=value(projectNumber)"],
        [
            *("beta", "monitoring", "channels", "create", project, "--display-name=Sluice", "--type=pubsub"),
            "--channel-labels=topic=projects/shop/topics/incidents",
        ],
        ["pubsub", "topics", "add-iam-policy-binding", "incidents", project, f"--member={MONITORING}", PUBLISHER],
    ]


def test_second_run_makes_nothing_again(google: Google) -> None:
    google.deploy(DEAD_LETTER_TOPIC="projects/shop/topics/dead")
    assert not [call for call in google.calls if "create" in call]


def test_channels_that_cannot_be_listed_stop_the_script(google: Google) -> None:
    google.answer(0, failing="list")
    assert google.deploy().returncode != 0
    assert not [call for call in google.calls if call[:4] == ["beta", "monitoring", "channels", "create"]]


def test_topic_that_others_publish_to_is_not_opened_to_cloud_monitoring(google: Google) -> None:
    assert google.deploy(MONITORING="no").returncode == 0
    assert not [call for call in google.calls if "monitoring" in call or f"--member={MONITORING}" in call]


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_says_what_is_required_and_calls_nothing(google: Google, flag: str) -> None:
    shown = google.deploy(flag, without="TOPIC")
    assert (shown.returncode, shown.stderr, google.calls) == (0, "", [])
    assert shown.stdout.startswith("Deploys functions to Google Cloud")
    assert all(name in shown.stdout for name in (*REQUIRED, "MONITORING=no", "DEAD_LETTER_TOPIC", "--dry-run"))
    assert "set -euo" not in shown.stdout
    assert "#" not in shown.stdout


def test_account_of_another_project_is_not_made_here(google: Google) -> None:
    google.answer(0, missing=True)
    google.deploy("alertmanager", SERVICE_ACCOUNT="sluice@elsewhere.iam.gserviceaccount.com")
    assert not [call for call in google.calls if call[0] == "iam"]


def test_no_role_is_given_in_the_whole_project(google: Google) -> None:
    google.deploy(*ALL, DEAD_LETTER_TOPIC="projects/shop/topics/dead")
    assert not [call for call in google.calls if call[0] == "projects" and call[1] != "describe"]


def test_each_line_of_the_dry_run_has_documented_flags_only(google: Google) -> None:
    shown = google.deploy("--dry-run", *ALL, DEAD_LETTER_TOPIC="projects/shop/topics/dead", VPC_CONNECTOR="inside")
    lines = shown.stderr.splitlines()
    assert len(lines) == 15, shown.stderr  # four things are looked for and made, three deployed, and four commands
    for line in lines:
        gcloud, *words = shlex.split(line.removeprefix("+ ").removeprefix("# unless ").partition(": ")[2] or line[2:])
        assert gcloud == "gcloud"
        command = next(each for each in DOCUMENTED if words[: len(each.split())] == each.split())
        used = {word.split("=", 1)[0] for word in words if word.startswith("--")}
        assert used - {"--project"} <= DOCUMENTED[command], line
        assert "--project" in used


def test_dry_run_shows_the_commands_and_runs_none(google: Google) -> None:
    shown = google.deploy("--dry-run", *ALL)
    assert shown.returncode == 0
    assert shown.stderr.count("'gcloud' 'functions' 'deploy'") == 3
    assert "service-NUMBER@gcp-sa-monitoring-notification" in shown.stderr
    assert google.calls == []


@pytest.mark.parametrize("missing", REQUIRED)
def test_variable_that_is_missing_is_named_before_anything_is_deployed(google: Google, missing: str) -> None:
    refused = google.deploy(without=missing)
    assert refused.returncode == 2
    said = f"deploy-google.sh: {missing} is not set; functions/deploy-google.sh --help says what it is\n"
    assert refused.stderr == said
    assert google.calls == []


@pytest.mark.parametrize("name", ["nothing", "_serving", "../core/gateway"])
def test_what_is_no_function_is_refused(google: Google, name: str) -> None:
    refused = google.deploy("alertmanager", name)
    assert refused.returncode == 2
    assert "there is no function" in refused.stderr
    assert google.calls == []


def test_failure_of_one_stops_the_rest(google: Google) -> None:
    google.answer(1)
    assert google.deploy().returncode == 1
    assert len(google.calls) == 1


def test_script_is_clean_under_shellcheck() -> None:
    shellcheck = Path(sysconfig.get_path("scripts")) / "shellcheck"
    checked = subprocess.run([str(shellcheck), str(SCRIPT)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
