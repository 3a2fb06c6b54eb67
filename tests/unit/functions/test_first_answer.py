"""What a cold start pays for: modules that a function has loaded, master and worker, when it gives its first answer."""

import asyncio
import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from core.local.cluster import embedded_cluster
from core.settings import Settings
from tests.e2e.function import ROOT, FunctionProcess, alert, production, webhook
from tests.support.cloud_events import structured
from tests.support.http import Answer, send
from tests.support.kubernetes_events import kubelet_event
from tests.support.pubsub_messages import PUBLISHED, envelope

_IMPORTED = re.compile(r"^import time: +\d+ \| +\d+ \| *(\S+)$", re.MULTILINE)

# functions-framework itself loads flask, werkzeug, jinja2, cloudevents, starlette and uvicorn, whatever the function.
UNNEEDED = (
    "aiohttp",
    "aiohttp_retry",
    "attr",
    "core.local",
    "cryptography",
    "dateutil",
    "dotenv",
    "google.api_core",
    "google.auth",
    "google.cloud.logging",
    "google.cloud.pubsub",
    "google.protobuf",
    "grpc",
    "h11",
    "hypothesis",
    "idna",
    "jsonschema",
    "kubernetes",
    "oauthlib",
    "opentelemetry",
    "prometheus_client.multiprocess",
    "pydantic_settings",
    "requests",
    "rich",
    "tenacity",
    "typer",
    "urllib3",
    "websocket",
    "yarl",
)

MOST_DATACLASSES = 16
KUBECONFIG = {
    "current-context": "c",
    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
    "users": [{"name": "u", "user": {"token": "t"}}],
}


def loaded(log: str) -> set[str]:
    return set(_IMPORTED.findall(log))


def unneeded(modules: set[str]) -> list[str]:
    return sorted(name for name in modules if any(name == each or name.startswith(f"{each}.") for each in UNNEEDED))


@pytest.fixture
async def start(tmp_path):
    """Start a function on an embedded API, in a process that writes down what it imports."""
    async with embedded_cluster(Settings(namespace="ops")) as cluster:
        environment = {
            "KUBECONFIG": cluster.kubeconfig,
            "SLUICE_NAMESPACE": "ops",
            "SLUICE_AUTH": "none",
            "PYTHONPROFILEIMPORTTIME": "1",
        }
        yield lambda target, **more: FunctionProcess(
            folder=tmp_path, environment=environment | more, command=production(target)
        )


async def answer_of(function: FunctionProcess, post) -> tuple[int, str]:
    """Return the status of the first answer and the log until then."""

    def run() -> tuple[int, str]:
        with function:
            return post(function).status, function.log

    return await asyncio.to_thread(run)  # the API runs in this loop


async def test_webhook_needs_none_of_the_large_packages(start):
    status, log = await answer_of(start("alertmanager"), lambda function: function.post(alert("web-1")))

    assert status == 201
    modules = loaded(log)
    assert {"core.kube.transport", "core.protocol.creator", "uvloop", "httptools", "functions_framework"} <= modules
    assert unneeded(modules) == []
    assert "pydantic" not in modules  # pydantic_core alone reads settings and alerts


@pytest.mark.parametrize("target", ["kubernetes_event", "pubsub"])
async def test_event_needs_none_of_them_either(start, target):
    event = {
        "kubernetes_event": structured("dev.knative.apiserver.resource.add", kubelet_event(at=datetime.now(UTC))),
        "pubsub": structured(PUBLISHED, envelope(webhook(alert("web-1")))),
    }[target]

    status, log = await answer_of(start(target), lambda function: function.deliver(event))

    assert status == 201
    modules = loaded(log)
    assert {
        "core.kube.transport",
        "core.protocol.creator",
        f"core.triggers.{target.replace('kubernetes_event', 'kubernetes_events')}",
    } <= modules
    assert unneeded(modules) == []


@pytest.mark.parametrize("target", ["alertmanager", "kubernetes_event", "pubsub", "dead_letters"])
async def test_no_installed_package_is_asked_for_plugins_of_pydantic(start, tmp_path, target):
    packages = tmp_path / "packages"
    told = packages / "curious-1.0.dist-info"
    told.mkdir(parents=True)
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: curious\nVersion: 1.0\n")
    (told / "entry_points.txt").write_text("[pydantic]\ncurious = curious:plugin\n")
    (packages / "curious.py").write_text("plugin = None\n")

    def look(function: FunctionProcess) -> Answer:
        return send("GET", f"{function.url}/healthz")

    status, log = await answer_of(start(target, PYTHONPATH=str(packages)), look)

    assert status == 200
    modules = loaded(log)
    assert "core.gateway" in modules
    assert "curious" not in modules


_COUNT_DATACLASSES = """
import dataclasses, sys
import functions.alertmanager
made = {
    each.__qualname__
    for name, module in list(sys.modules.items())
    for each in vars(module).values()
    if name.startswith(("core.", "functions.")) and isinstance(each, type) and dataclasses.is_dataclass(each)
}
print(*sorted(made))
"""


def test_few_dataclasses_are_made_before_it(tmp_path):
    # Each takes 0.3 to 2 ms of a start, for Python writes and compiles its methods; a NamedTuple takes a tenth of it.
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(json.dumps(KUBECONFIG))
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "SLUICE_AUTH": "none", "HOST": "127.0.0.1"}

    started = subprocess.run(
        [sys.executable, "-c", _COUNT_DATACLASSES],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )

    made = started.stdout.split()
    assert "NormalizedSignal" in made
    assert len(made) <= MOST_DATACLASSES, made


async def test_first_line_of_the_log_has_every_field(start):
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"Content-Type": "application/json", "traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    body = json.dumps(webhook(alert("web-1"), version="3")).encode()

    status, log = await answer_of(
        start("alertmanager"), lambda function: send("POST", function.url, body, headers=headers)
    )

    assert status == 201
    line = json.loads(next(line for line in log.splitlines() if line.startswith("{")))
    assert line.pop("time").endswith("Z")
    assert len(line.pop("request_id")) == 32
    assert line == {
        "severity": "WARNING",
        "message": "webhook version is '3', not '4': its alerts are used as they are",
        "logger": "sluice",
        "logging.googleapis.com/trace": trace,
        "logging.googleapis.com/spanId": "b7ad6b7169203331",
        "logging.googleapis.com/trace_sampled": True,
        "source": "alertmanager",
    }
