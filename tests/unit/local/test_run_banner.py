"""What the banner shows works when it is pasted."""

import json
import shlex
import sysconfig
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
import yaml
from rich.console import Console

from core.local.cluster import Cluster
from core.local.run.banner import show_banner, show_starting
from core.local.shell import new_console
from core.signals.alertmanager import decode_alertmanager
from core.signals.signal import NormalizedSignal

NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
URL = "http://127.0.0.1:8080"
SLUICE = f"{sysconfig.get_path('scripts')}/sluice"
EMBEDDED = Cluster(server="http://127.0.0.1:41234", kubeconfig="/tmp/a b/k", context="sluice-embedded", embedded=True)
NAMED = Cluster(server="https://10.0.0.1:6443", kubeconfig="/home/me/.kube/config", context="kind-[dev]")
GOOGLE = Cluster(server="https://10.0.0.2", kubeconfig="")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


def banner(cluster: Cluster = EMBEDDED, *, url: str = URL, width: int = 80) -> str:
    out = StringIO()
    show_banner(Console(file=out, width=width), cluster, url=url, namespace="sluice-system", now=NOW)
    return out.getvalue()


def starting(cluster: Cluster) -> str:
    out = StringIO()
    show_starting(Console(file=out, width=80), cluster, url=URL)
    return out.getvalue()


def curl(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if line.startswith("curl ")]
    assert len(lines) == 1
    return shlex.split(lines[0])


def test_curl_line_is_one_line_however_narrow_the_terminal() -> None:
    assert curl(banner(width=20)) == curl(banner(width=200))


def test_curl_line_posts_one_firing_alert_on_a_pod() -> None:
    words = curl(banner())
    assert words[-1] == f"{URL}/api/v1/signals/prometheus"
    body = words[words.index("-d") + 1].encode()
    batch = decode_alertmanager(body, received_time=NOW, signal_type="prometheus-alert")
    assert not batch.warnings
    (signal,) = batch.entries
    assert isinstance(signal, NormalizedSignal)
    assert (signal.target.kind, signal.target.namespace) == ("Pod", "shop")
    assert signal.firing_time == NOW.replace(microsecond=0)


def test_curl_line_goes_past_a_proxy_that_would_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "--noproxy" not in curl(banner())
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    assert curl(banner())[2:4] == ["--noproxy", "127.0.0.1"]
    monkeypatch.setenv("no_proxy", "localhost,127.0.0.1")
    assert "--noproxy" not in curl(banner())


def test_receiver_snippet_is_yaml_that_cuts_nothing_off() -> None:
    text = banner()
    snippet: Any = yaml.safe_load(text[text.index("route:") : text.index("Logs follow")].rpartition("\n")[0])
    assert snippet["route"] == {"receiver": "sluice"}
    (webhook,) = snippet["receivers"][0]["webhook_configs"]
    assert webhook == {"url": f"{URL}/api/v1/signals/prometheus", "send_resolved": True, "max_alerts": 0}


def test_shape_of_the_first_answer_is_shown() -> None:
    text = banner()
    shape = text[text.index('{"summary"') : text.index("Sent again")].replace(", ...", "")
    assert json.loads(shape)["results"][0]["status"] == "created"
    assert "it answers 201" in text
    assert "it answers 202" in text


def test_every_address_is_shown() -> None:
    text = banner()
    for address in (URL, f"{URL}/healthz", f"{URL}/readyz", f"{URL}/metrics", EMBEDDED.server):
        assert address in text


@pytest.mark.parametrize(
    ("cluster", "command"),
    [
        (EMBEDDED, "KUBECONFIG='/tmp/a b/k' kubectl -n sluice-system get remediationrequests"),
        (NAMED, "KUBECONFIG=/home/me/.kube/config kubectl -n sluice-system get remediationrequests"),
        (GOOGLE, "kubectl -n sluice-system get remediationrequests"),
    ],
)
def test_rrs_are_looked_at_with_the_kubeconfig_in_use(cluster: Cluster, command: str) -> None:
    assert f"\n{command}\n" in banner(cluster)


@pytest.mark.parametrize(
    ("cluster", "lines"),
    [
        (EMBEDDED, [f"{SLUICE} watch"]),
        (NAMED, [f"KUBECONFIG=/home/me/.kube/config {SLUICE} watch -n sluice-system"]),
        (GOOGLE, []),  # it reads kubeconfigs
    ],
)
def test_rrs_are_watched_without_kubectl_too(cluster: Cluster, lines: list[str]) -> None:
    assert [line for line in banner(cluster).splitlines() if " watch" in line] == lines


@pytest.mark.parametrize(
    ("cluster", "url", "command"),
    [
        (EMBEDDED, URL, "make demo"),
        (EMBEDDED, "http://127.0.0.1:8081", "make demo PORT=8081"),
        (NAMED, "http://127.0.0.1:8081", "make demo PORT=8081 YES=1"),
    ],
)
def test_next_step_is_the_burst_on_the_same_port(cluster: Cluster, url: str, command: str) -> None:
    assert f"\n{command}\n" in banner(cluster, url=url)


def test_own_cluster_is_named_before_anything_starts() -> None:
    text = starting(NAMED)
    assert text.startswith("Using your cluster (context kind-[dev], https://10.0.0.1:6443): every alert")
    assert "kind-[dev]" in banner(NAMED)
    assert "embedded" not in banner(NAMED)


def test_cluster_without_a_context_is_named_by_its_server() -> None:
    assert starting(GOOGLE).startswith("Using your cluster (https://10.0.0.2)")


def test_embedded_api_needs_no_notice_before_the_start() -> None:
    assert starting(EMBEDDED) == f"Starting the alertmanager function on {URL} ...\n"


def test_output_that_is_no_terminal_has_no_colours_and_room_for_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    console = new_console()
    console.print("[bold]text[/] 123")
    assert console.width >= 120
    assert capsys.readouterr().out == "text 123\n"


def test_terminal_keeps_its_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "91")
    assert new_console().width == 91
