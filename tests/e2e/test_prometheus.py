"""A real Prometheus scrapes every function, and finds every series that the dashboard asks for."""

from __future__ import annotations

import json
import re
import socket
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import yaml

from tests.apiserver.process import ServerProcess, wait_until_up
from tests.e2e.function import ROOT, alert, production
from tests.support.cloud_events import structured
from tests.support.cluster import GATEWAY, GATEWAY_RULES, install_definition
from tests.support.http import send
from tests.support.kubernetes_events import kubelet_event
from tests.support.prometheus import find_prometheus
from tests.support.pubsub_messages import PUBLISHED, envelope
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.conftest import StartFunction
    from tests.support.cluster import Cluster

FUNCTIONS = ("alertmanager", "kubernetes_event", "pubsub", "dead_letters")
NOT_HERE = {"gateway_signals_failed_total"}
"""Counted only where something fails; tests/unit/functions/test_failures.py has it."""

ALERTS = {
    rule["alert"]: rule["expr"]
    for group in yaml.safe_load((ROOT / "knative" / "monitoring" / "prometheus-rule.yaml").read_text())["spec"][
        "groups"
    ]
    for rule in group["rules"]
}
DEAD_LETTERS = ROOT / "knative" / "cluster" / "dead-letter-crd.yaml"
SINK_RULES = [
    rule
    for each in yaml.safe_load_all((ROOT / "knative" / "base" / "dead-letters.yaml").read_text())
    if each["kind"] == "Role"
    for rule in each["rules"]
]

WITHIN = 60.0  # seconds
_LISTENING = re.compile(r'msg="Listening on" address=(127\.0\.0\.1:\d+)')
_METRIC = re.compile(r"gateway_[a-z_]+")


def panels() -> Iterator[tuple[str, str]]:
    """Title and query, for each query of the dashboard."""
    dashboard = json.loads((ROOT / "knative" / "monitoring" / "dashboard.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"].replace("$__rate_interval", "1m")


def free_ports(count: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@contextmanager
def prometheus(folder: Path, targets: dict[str, int]) -> Iterator[str]:
    """Run one that scrapes /metrics of each port as `knative/monitoring/pod-monitor.yaml` says; yield its URL."""
    folder.mkdir()
    jobs = [{"targets": [f"127.0.0.1:{port}"], "labels": {"function": name}} for name, port in targets.items()]
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": [{"job_name": "sluice", "metrics_path": "/metrics", "static_configs": jobs}],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))
    process = ServerProcess(
        [
            str(find_prometheus().prometheus),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            "--web.listen-address=127.0.0.1:0",
        ],
        log_file=folder / "prometheus.log",
        folder=folder,
    )

    def listening() -> re.Match[str] | None:
        return _LISTENING.search(process.log_file.read_text())

    process.start()
    try:
        yield f"http://{wait_until_up(listening, process, what='Prometheus', within=WITHIN)[1]}"
    finally:
        process.kill()


def asked(url: str, path: str, **query: str) -> Any:
    answer = send("GET", f"{url}/api/v1/{path}?{urlencode(query)}")
    assert answer.status == 200, answer.body
    return answer.json["data"]


def test_every_function_is_scraped_and_every_panel_has_what_it_shows(
    start_function: StartFunction, cluster: Cluster, tmp_path: Path
) -> None:
    install_definition(cluster.server, DEAD_LETTERS)
    cluster.set_rules(GATEWAY, [*GATEWAY_RULES, *SINK_RULES])
    ports = dict(zip(FUNCTIONS, free_ports(len(FUNCTIONS)), strict=True))
    with prometheus(tmp_path / "prometheus", ports) as url:
        functions = {
            name: start_function(command=production(name), SLUICE_METRICS_PORT=str(port))
            for name, port in ports.items()
        }
        webhooks = functions["alertmanager"]
        assert webhooks.post(alert("web-1"), {"labels": "poison"}).status == 201
        for _ in range(2):
            assert webhooks.post(alert("web-1")).status == 202
        assert webhooks.post(alert("web-1") | {"labels": {"alertname": "Watchdog"}}).status == 200
        assert send("POST", webhooks.url, b"no JSON", headers={"Content-Type": "application/json"}).status == 400
        event = kubelet_event(at=datetime.now(UTC))
        assert (
            functions["kubernetes_event"].deliver(structured("dev.knative.apiserver.resource.add", event)).status < 300
        )
        message = envelope({"version": "4", "alerts": [alert("web-2")]})
        assert functions["pubsub"].deliver(structured(PUBLISHED, message)).status == 201

        dead = structured("dev.knative.apiserver.resource.add", ["no Event"])
        assert [functions["dead_letters"].deliver(dead).status for _ in range(2)] == [201, 200]

        wait_for(lambda: _scraped_all(url), what="a scrape of each function after its signals", within=WITHIN)

        up = asked(url, "query", query="up")["result"]
        assert {(each["metric"]["function"], each["value"][1]) for each in up} == {(name, "1") for name in FUNCTIONS}
        known = set(asked(url, "label/__name__/values"))
        assert {metric for _, query in panels() for metric in _METRIC.findall(query)} - known == NOT_HERE
        empty = {title for title, query in panels() if not asked(url, "query", query=query)["result"]}
        assert empty <= {"Signals by outcome"}  # its line of failed signals
        letters = asked(url, "query", query="sum by (outcome) (gateway_dead_letters_total) > 0")["result"]
        assert {each["metric"]["outcome"]: each["value"][1] for each in letters} == {"kept": "1", "repeated": "1"}
        assert fires(url, "SluiceDeadLetters")
        assert not fires(url, "SluiceDeadLettersRefused")


def fires(url: str, alert: str) -> bool:
    """Whether the query of an alert of ours has a result now."""
    return bool(asked(url, "query", query=ALERTS[alert])["result"])


def _scraped_all(url: str) -> bool:
    """Whether each function's answer to a sender was seen twice, as rate() needs it."""
    query = 'count_over_time(gateway_http_request_duration_seconds_count{method="POST"}[1m]) >= 2'
    seen = {each["metric"]["function"] for each in asked(url, "query", query=query)["result"]}
    return seen == set(FUNCTIONS)
