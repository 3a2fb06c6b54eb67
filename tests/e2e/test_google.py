"""The functions as Cloud Functions starts them, from what deploy-google.sh really hands to gcloud.

The Python buildpack turns GOOGLE_FUNCTION_TARGET (the entry point), GOOGLE_FUNCTION_SOURCE and the trigger's kind into
FUNCTION_TARGET, FUNCTION_SOURCE and FUNCTION_SIGNATURE_TYPE, and starts `functions-framework` in the source's folder,
unprivileged, with nothing to write to but /tmp (https://github.com/GoogleCloudPlatform/buildpacks; the environment:
https://cloud.google.com/run/docs/container-contract).
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sysconfig
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.machine import why_impossible
from tests.cluster.pod import NO_CAPABILITIES
from tests.cluster.sandbox import empty_volume
from tests.e2e.function import FunctionProcess, alert
from tests.support.cloud_events import binary
from tests.support.kubernetes_events import POD
from tests.support.metadata_server import metadata_server
from tests.support.pubsub_messages import MESSAGE_ID, PUBLISHED, SOURCE, envelope, incident

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.cluster import Cluster

ROOT = Path(__file__).parents[2]
ACCOUNT = "sluice@shop.iam.gserviceaccount.com"
FRAMEWORK = Path(sysconfig.get_path("scripts")) / "functions-framework"


@pytest.fixture
def metadata(cluster: Cluster) -> Iterator[str]:
    """Gives the token that the API server knows the function's account by."""
    with metadata_server(email=ACCOUNT, token=cluster.token) as address:
        yield address


def deployment(cluster: Cluster, function: str) -> dict[str, str]:
    """The flags of the `gcloud functions deploy` that the script would run; those without a value are empty."""
    given = {
        "PATH": os.defpath,
        "GOOGLE_CLOUD_PROJECT": "shop",
        "SERVICE_ACCOUNT": ACCOUNT,
        "TOPIC": "alerts",
        "SLUICE_API_SERVER": cluster.server.url,
        "SLUICE_API_CA": b64encode(cluster.server.ca_file.read_bytes()).decode(),
        "SLUICE_NAMESPACE": cluster.namespace,
    }
    script = [str(ROOT / "functions" / "deploy-google.sh"), "--dry-run", function]
    shown = subprocess.run(script, env=given, capture_output=True, text=True, check=True).stderr
    (line,) = [each for each in shown.splitlines() if "'functions' 'deploy'" in each]
    words = [word for word in shlex.split(line) if word.startswith("--")]
    return {name: value for name, _, value in (word.partition("=") for word in words)}


def runtime_environment(flags: dict[str, str], *, metadata: str) -> dict[str, str]:
    """What the platform and the buildpack make of it."""
    build = dict([flags["--set-build-env-vars"].split("=", 1)])
    separator = flags["--set-env-vars"].split("^")[1]
    settings = flags["--set-env-vars"].split("^", 2)[2].split(separator)
    return dict(each.split("=", 1) for each in settings) | {
        "FUNCTION_TARGET": flags["--entry-point"],
        "FUNCTION_SOURCE": build["GOOGLE_FUNCTION_SOURCE"],
        "FUNCTION_SIGNATURE_TYPE": "http" if "--trigger-http" in flags else "cloudevent",
        "K_SERVICE": "sluice",
        "K_REVISION": "sluice-00001-abc",
        "K_CONFIGURATION": "sluice",
        "LOG_EXECUTION_ID": "true",
        "HOME": "/tmp",
        "GCE_METADATA_HOST": metadata,
        "GCE_METADATA_IP": metadata,
    }


def command() -> list[str]:
    """functions-framework, alone in the source's folder, on a root that is read-only."""
    script = [
        "mount -t tmpfs run /run",
        *empty_volume("/tmp"),
        "mount -o remount,bind,ro /",
        f"cd {shlex.quote(str(ROOT))}",
        f"exec {shlex.join([*NO_CAPABILITIES, str(FRAMEWORK)])}",
    ]
    return ["/usr/bin/unshare", "--map-root-user", "--mount", "/bin/sh", "-ec", "\n".join(script)]


@pytest.fixture
def start(cluster: Cluster, metadata: str, tmp_path: Path) -> Iterator[Any]:
    if reason := why_impossible():
        pytest.fail(reason, pytrace=False) if os.environ.get("CI") else pytest.skip(reason)
    running: list[FunctionProcess] = []

    def start(function: str) -> FunctionProcess:
        environment = runtime_environment(deployment(cluster, function), metadata=metadata)
        running.append(FunctionProcess(folder=tmp_path, environment=environment, command=command()))
        return running[-1].__enter__()

    yield start
    for each in running:
        each.__exit__()


def test_pubsub_push_becomes_an_rr_with_the_token_of_the_metadata_server(start: Any, cluster: Cluster) -> None:
    function = start("pubsub")
    labels = {"namespace_name": "prod", "pod_name": POD}
    pushed = binary(PUBLISHED, envelope(incident("k8s_pod", labels)), id=MESSAGE_ID, source=SOURCE)
    assert function.deliver(pushed).status == 201
    (rr,) = cluster.requests()
    assert rr["spec"]["targetResource"]["name"] == POD


def test_alert_over_http_becomes_an_rr_without_a_sender_token(start: Any, cluster: Cluster) -> None:
    """IAM has checked the sender before."""
    function = start("alertmanager")
    assert function.post(alert(POD)).status == 201
    assert len(cluster.requests()) == 1
