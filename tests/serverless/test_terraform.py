"""functions/terraform makes what functions/deploy-google.sh makes; its HCL is read by python-hcl2."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import hcl2
import pytest

from tests.serverless.test_deploying import ALL, REQUIRED, SCRIPT, Google, flags

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOLDER = SCRIPT.parent / "terraform"
DEAD_LETTERS = "projects/shop/topics/dead-letters"
WORDS = ("each", "event_trigger", "path", "source")
ROLES = {"add-invoker-policy-binding": "roles/run.invoker"}


# Arguments and blocks of each resource, from the provider's reference.
ARGUMENTS = {
    "google_project_service": {"service", "disable_on_destroy"},
    "google_service_account": {"account_id", "display_name"},
    "google_pubsub_topic": {"name"},
    "google_pubsub_topic_iam_member": {"topic", "role", "member"},
    "google_storage_bucket": {
        "name",
        "location",
        "uniform_bucket_level_access",
        "public_access_prevention",
        "force_destroy",
    },
    "google_storage_bucket_object": {"name", "bucket", "source"},
    "google_cloudfunctions2_function": {"name", "location", "build_config", "service_config"},
    "google_cloud_run_service_iam_member": {"service", "location", "role", "member"},
    "google_monitoring_notification_channel": {"display_name", "type", "labels"},
}
OF_ANY = {"count", "for_each", "depends_on", "dynamic"}
BLOCKS = {
    "build_config": {"runtime", "entry_point", "environment_variables", "source"},
    "service_config": {
        "service_account_email",
        "ingress_settings",
        "all_traffic_on_latest_revision",
        "available_cpu",
        "available_memory",
        "max_instance_request_concurrency",
        "timeout_seconds",
        "min_instance_count",
        "max_instance_count",
        "environment_variables",
        "vpc_connector",
        "vpc_connector_egress_settings",
    },
    "event_trigger": {"trigger_region", "event_type", "pubsub_topic", "retry_policy", "service_account_email"},
}


def load(path: Path) -> dict[str, Any]:
    with path.open() as file:
        loaded: dict[str, Any] = hcl2.load(file)
    return loaded


PARTS = [load(path) for path in sorted(FOLDER.glob("*.tf"))]


def blocks(kind: str) -> Iterator[tuple[str, ...]]:
    for part in PARTS:
        yield from part.get(kind, ())


def bare(value: Any) -> Any:
    """A value without the quotes and braces that the parser leaves around text and expressions."""
    if isinstance(value, dict):
        return {bare(key): bare(item) for key, item in value.items() if key not in ("__is_block__", "__comments__")}
    if isinstance(value, list):
        return [bare(item) for item in value]
    if isinstance(value, str):
        plain = re.fullmatch(r'"(.*)"|\$\{(.*)\}', value, re.DOTALL)
        return (plain[1] if plain[1] is not None else plain[2]) if plain else value
    return value


def resources(type_: str = "") -> dict[tuple[str, str], Any]:
    return {
        (kind, name): body
        for block in map(bare, blocks("resource"))
        for kind, named in block.items()
        for name, body in named.items()
        if type_ in (kind, "")
    }


VARIABLES = {name: body for block in map(bare, blocks("variable")) for name, body in block.items()}
(LOCALS,) = map(bare, blocks("locals"))
FUNCTION = resources("google_cloudfunctions2_function")["google_cloudfunctions2_function", "sluice"]


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, str):
        yield value


@pytest.fixture
def google(tmp_path: Path) -> Google:
    google = Google(tmp_path)
    google.answer(0, missing=True)
    done = google.deploy(*ALL, DEAD_LETTER_TOPIC=DEAD_LETTERS, VPC_CONNECTOR="connector", SLUICE_CLUSTER="home")
    assert done.returncode == 0, done.stderr
    return google


def called(google: Google, *words: str) -> list[list[str]]:
    return [call for call in google.calls if call[: len(words)] == list(words)]


def test_everything_that_is_named_exists() -> None:
    known = {f"{kind}.{name}" for kind, name in resources()}
    known |= {f"data.{kind}.{name}" for block in map(bare, blocks("data")) for kind, of in block.items() for name in of}
    known |= {f"var.{name}" for name in VARIABLES} | {f"local.{name}" for name in LOCALS}
    named = re.compile(r"\b((?:data\.)?(?:google|archive)_\w+\.\w+|(?:var|local)\.\w+)")
    used = {each for part in PARTS for text in texts(part) for each in named.findall(text)}
    assert used - known == set()
    assert {f"var.{name}" for name in VARIABLES} - used == set()


def test_every_argument_is_one_of_the_provider_s_reference() -> None:
    for (kind, name), body in resources().items():
        assert set(body) - OF_ANY - ARGUMENTS[kind] == set(), name
    (dynamic,) = FUNCTION["dynamic"]
    (trigger,) = dynamic["event_trigger"]["content"]
    found = {"event_trigger": trigger} | {name: FUNCTION[name][0] for name in ("build_config", "service_config")}
    for name, body in found.items():
        assert set(body) - BLOCKS[name] == set(), name


def test_every_variable_says_what_it_is() -> None:
    assert [name for name, body in VARIABLES.items() if not (body.get("description") and body.get("type"))] == []
    required = {name for name, body in VARIABLES.items() if "default" not in body}
    assert required == {"project", "api_server", "api_ca", "cluster"}


def test_the_same_services_are_enabled(google: Google) -> None:
    ((_, services),) = [(key, body["for_each"]) for key, body in resources("google_project_service").items()]
    (call,) = called(google, "services", "enable")
    assert re.findall(r'"([\w.]+)"', services) == [word for word in call[2:] if not word.startswith("-")]


def test_the_same_topics_are_made(google: Google) -> None:
    topics = {name: body["name"] for (_, name), body in resources("google_pubsub_topic").items()}
    assert topics == {"alerts": "var.topic", "dead_letter": "var.dead_letter_topic"}
    made = [call[3] for call in called(google, "pubsub", "topics", "create")]
    assert made == [REQUIRED["TOPIC"], DEAD_LETTERS]


def test_the_same_roles_are_given_and_no_other(google: Google) -> None:
    own, number = f"serviceAccount:{REQUIRED['SERVICE_ACCOUNT']}", "${data.google_project.this.number}"
    given = set()
    for call in google.calls:
        if "add-invoker-policy-binding" in call:
            given.add((ROLES["add-invoker-policy-binding"], flags(call)["--member"]))
        elif "add-iam-policy-binding" in call:
            given.add((flags(call)["--role"], flags(call)["--member"]))
    bindings = {
        (body["role"], body["member"].replace("google_service_account.sluice.member", own).replace(number, "123456"))
        for (kind, _), body in resources().items()
        if "iam" in kind
    }
    assert bindings == given
    assert len(bindings) == 3
    assert all(not kind.startswith("google_project_iam") for kind, _ in resources())


def test_the_same_channel_leads_to_the_topic(google: Google) -> None:
    (call,) = called(google, "beta", "monitoring", "channels", "create")
    given = flags(call)
    ((_, channel),) = resources("google_monitoring_notification_channel").items()
    assert (channel["display_name"], channel["type"]) == (given["--display-name"], given["--type"])
    assert channel["labels"] == {"topic": "google_pubsub_topic.alerts[0].id"}
    assert given["--channel-labels"] == f"topic=projects/shop/topics/{REQUIRED['TOPIC']}"


def test_functions_are_deployed_with_the_same_settings(google: Google) -> None:
    (service,), (build,) = FUNCTION["service_config"], FUNCTION["build_config"]
    default = {name: body.get("default") for name, body in VARIABLES.items()}
    assert default["functions"] == ["pubsub"]
    assert all(name in VARIABLES["functions"]["validation"][0]["condition"] for name in ALL)
    assert FUNCTION["name"] == 'sluice-${replace(each.key, "_", "-")}'
    assert build["environment_variables"] == {"GOOGLE_FUNCTION_SOURCE": "functions/${each.key}.py"}
    for call in google.deployments:
        given = flags(call)
        assert call[2] == f"sluice-{given['--entry-point'].replace('_', '-')}"
        assert given["--region"] == default["region"]
        assert given["--runtime"] == default["runtime"]
        assert (int(given["--min-instances"]), int(given["--max-instances"])) == (
            default["min_instances"],
            default["max_instances"],
        )
        assert f"ALLOW_{given['--ingress-settings'].replace('-', '_').upper()}" == default["ingress"]
        assert (given["--cpu"], given["--memory"]) == (service["available_cpu"], service["available_memory"])
        assert int(given["--concurrency"]) == service["max_instance_request_concurrency"]
        assert given["--timeout"] == f"{service['timeout_seconds']}s"
        assert given["--egress-settings"].replace("-", "_").upper() in service["vpc_connector_egress_settings"]


def test_topic_calls_the_function_and_again_where_it_failed(google: Google) -> None:
    *_, pubsub = google.deployments
    (dynamic,) = FUNCTION["dynamic"]
    trigger = dynamic["event_trigger"]
    (content,) = trigger["content"]
    assert trigger["for_each"] == 'each.key == "pubsub" ? [google_pubsub_topic.alerts[0].id] : []'
    assert ("--retry" in pubsub) is (content["retry_policy"] == "RETRY_POLICY_RETRY")
    assert content["event_type"] == "google.cloud.pubsub.topic.v1.messagePublished"
    assert content["service_account_email"] == "google_service_account.sluice.email"


def test_environment_is_the_same(google: Google) -> None:
    *_, pubsub = google.deployments
    deployed = dict(each.split("=", 1) for each in flags(pubsub)["--set-env-vars"].removeprefix("^@@^").split("@@"))
    written = dict(re.findall(r"\b(SLUICE_\w+) = (\"[^\"]*\"|[\w.\[\]]+)", LOCALS["settings"]))
    assert set(written) == set(deployed)
    constant = {name: value.strip('"') for name, value in written.items() if value.startswith('"')}
    assert constant == {name: deployed[name] for name in constant}
    assert set(deployed) - set(constant) == {
        "SLUICE_API_SERVER",
        "SLUICE_API_CA",
        "SLUICE_CLUSTER",
        "SLUICE_DEAD_LETTER_TOPIC",
    }


def test_what_is_uploaded_is_what_the_script_uploads() -> None:
    ignored = (SCRIPT.parents[1] / ".gcloudignore").read_text().split()
    assert [word for word in ignored if word.startswith(("!", "/core"))] == [
        "!/requirements.txt",
        "!/functions/",
        "!/core/",
        "/core/local/",
    ]
    sources = LOCALS["sources"]
    assert all(
        each in sources for each in ('"requirements.txt"', '"functions/*.py"', '"core/**/*.py"', '"core/local/"')
    )
    deployed = [*(SCRIPT.parents[1] / "core").rglob("*"), *(SCRIPT.parent).glob("*")]
    others = {
        path.name
        for path in deployed
        if path.is_file() and path.suffix not in (".py", ".pyc") and "local" not in path.parts
    }
    assert others == {"deploy-google.sh", "py.typed"}
