"""The functions as Cloud Functions starts them, from what deploy-google.sh really hands to gcloud.

The Python buildpack turns GOOGLE_FUNCTION_TARGET (the entry point), GOOGLE_FUNCTION_SOURCE and the trigger's kind into
FUNCTION_TARGET, FUNCTION_SOURCE and FUNCTION_SIGNATURE_TYPE, and starts `functions-framework` in the source's folder,
unprivileged, with nothing to write to but /tmp (https://github.com/GoogleCloudPlatform/buildpacks; the environment:
https://cloud.google.com/run/docs/container-contract).
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sysconfig
import time
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.machine import why_impossible
from tests.cluster.pod import NO_CAPABILITIES
from tests.cluster.sandbox import empty_volume
from tests.e2e.function import PATIENT, FunctionProcess, alert
from tests.support.cloud_events import binary
from tests.support.http import send
from tests.support.issuer_server import issuer_server
from tests.support.kubernetes_events import POD
from tests.support.metadata_server import metadata_server
from tests.support.pubsub_messages import MESSAGE_ID, PUBLISHED, SOURCE, envelope, incident
from tests.unit.admission.issuing import Key, claims, signed

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
        "SLUICE_CLUSTER": "east",
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

    def start(function: str, **settings: str) -> FunctionProcess:
        environment = runtime_environment(deployment(cluster, function), metadata=metadata) | PATIENT | settings
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
    (rr,) = cluster.rrs()
    assert rr["spec"]["targetResource"]["name"] == POD


class TestPushWithAnIdToken:
    """A push subscription with authentication: https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions."""

    PUSHER = "push@shop.iam.gserviceaccount.com"
    AUDIENCE = "https://sluice-abc123-ew.a.run.app"
    KEY = Key("google-1")

    @pytest.fixture
    def issuer(self) -> Iterator[str]:
        with issuer_server(self.KEY.public) as url:
            yield url

    @pytest.fixture
    def function(self, start: Any, issuer: str) -> FunctionProcess:
        settings = {
            "SLUICE_AUTH": "oidc",
            "SLUICE_OIDC_SENDERS": f"{issuer}#{self.PUSHER}",
            "SLUICE_AUDIENCES": self.AUDIENCE,
        }
        started: FunctionProcess = start("pubsub", **settings)
        return started

    def token(self, issuer: str, *, key: Key = KEY, **changed: Any) -> str:
        """As Google makes it: the account's number is `sub`, its name a verified `email`."""
        content = claims(
            issuer,
            aud=self.AUDIENCE,
            azp="113774264463038321964",
            sub="113774264463038321964",
            email=self.PUSHER,
            email_verified=True,
        )
        return signed(key, content | changed)

    def push(self, function: FunctionProcess, token: str, *, message_id: str = MESSAGE_ID) -> int:
        """A message wrapped, as Pub/Sub posts it to an endpoint that is not Eventarc's."""
        labels = {"namespace_name": "prod", "pod_name": POD}
        message = envelope(incident("k8s_pod", labels), message_id=message_id)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "CloudPubSub-Google",
            "From": "noreply@google.com",
        }
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return send("POST", function.url, json.dumps(message).encode(), headers=headers).status

    def test_is_stored_and_acknowledged(self, function: FunctionProcess, issuer: str, cluster: Cluster) -> None:
        assert self.push(function, self.token(issuer)) == 201
        (rr,) = cluster.rrs()
        assert rr["spec"]["targetResource"]["name"] == POD

    def test_of_nobody_or_of_another_is_refused_and_nothing_is_stored(
        self, function: FunctionProcess, issuer: str, cluster: Cluster
    ) -> None:
        other = "other@shop.iam.gserviceaccount.com"
        past = int(time.time()) - 600
        refused = {
            "no token": self.push(function, ""),
            "no JSON Web Token": self.push(function, "ya29.opaque"),
            "another's key under the same id": self.push(function, self.token(issuer, key=Key("google-1", number=1))),
            "another audience": self.push(function, self.token(issuer, aud="https://other.example")),
            "run out": self.push(function, self.token(issuer, iat=past - 600, exp=past)),
            "another issuer": self.push(function, self.token("https://accounts.example")),
        }
        assert refused == dict.fromkeys(refused, 401)
        assert self.push(function, self.token(issuer, email=other)) == 403
        assert self.push(function, self.token(issuer, email_verified=False)) == 403
        assert cluster.rrs() == []


def test_alert_over_http_becomes_an_rr_without_a_sender_token(start: Any, cluster: Cluster) -> None:
    """IAM has checked the sender before."""
    function = start("alertmanager")
    assert function.post(alert(POD)).status == 201
    assert len(cluster.rrs()) == 1
