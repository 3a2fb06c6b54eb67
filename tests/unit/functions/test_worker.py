"""One process: it starts only with what can work, makes nothing too early, and gives everything back."""

import asyncio
import json
import os
from typing import Any

import pytest
from prometheus_client import mmap_dict
from prometheus_client.mmap_dict import mmap_key
from prometheus_client.parser import text_string_to_metric_families

from core.kube.client import path_of
from core.kube.resources import remediation_requests
from core.kube.transport import ApiRequest
from functions import _worker
from tests.support.wire import deliver
from tests.unit.functions.conftest import NAMESPACE, Function
from tests.unit.functions.webhooks import alert, webhook


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("reads", "stale", "SLUICE_READS='stale' cannot work: "),
        ("max_concurrent", "0", "SLUICE_MAX_CONCURRENT='0' cannot work: "),
        ("namespace", "Not A Name", "SLUICE_NAMESPACE='Not A Name' cannot work: "),
    ],
)
def test_wrong_setting_stops_the_start_with_one_sentence(function, name, value, sentence):
    function.set(**{name: value})
    with pytest.raises(SystemExit) as caught:
        function.load()
    assert str(caught.value.code).startswith(f"sluice: {sentence}")


def test_misspelt_setting_is_warned_of_at_the_start(function, capsys):
    function.set(loglevel="DEBUG")
    function.load()
    (entry,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert entry["severity"] == "WARNING"
    assert entry["message"] == "SLUICE_LOGLEVEL is no setting; SLUICE_LOG_LEVEL is meant?"


def test_wrong_authority_of_the_api_server_stops_the_start_too(function):
    function.set(api_server="https://example.com", api_ca="none")
    with pytest.raises(SystemExit, match="sluice: SLUICE_API_CA is no base64 of a PEM certificate"):
        function.load()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"auth": "oidc"}, "SLUICE_AUTH has oidc, and SLUICE_OIDC_SENDERS is empty"),
        ({"auth": "kubernetes,secret"}, "SLUICE_AUTH has secret, and SLUICE_SECRET_FILE names no file"),
        ({"auth": "secret", "secret_file": "/nowhere"}, "SLUICE_SECRET_FILE=/nowhere cannot be used"),
    ],
)
def test_admission_that_cannot_be_honoured_stops_the_start(function, settings, sentence):
    function.set(**settings)
    with pytest.raises(SystemExit, match=f"sluice: {sentence}"):
        function.load()


def test_open_gate_for_others_than_this_machine_stops_the_start_unless_it_is_meant(function, monkeypatch, capsys):
    monkeypatch.setenv("HOST", "0.0.0.0")
    with pytest.raises(SystemExit, match="sluice: SLUICE_AUTH=none lets in everybody who reaches 0"):
        function.load()
    function.set(auth_none="i-have-another-gate")
    function.load()
    assert "SLUICE_AUTH=none: everybody who reaches 0.0.0.0 is let in" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("settings", "package"),
    [
        ({"dead_letter_topic": "projects/p/topics/t"}, "google.pubsub_v1"),
        ({"log_sink": "cloud-logging"}, "google.cloud.logging"),
    ],
)
def test_package_that_the_base_image_lacks_is_named_at_the_start(function, monkeypatch, settings, package):
    monkeypatch.setattr(_worker, "find_spec", lambda name: None if name == package else object())
    function.set(**settings)
    with pytest.raises(SystemExit, match=f"needs the Python package of {package}, which is not here: build the image"):
        function.load()


def test_start_without_a_cluster_says_what_to_set(function, monkeypatch):
    monkeypatch.delenv("KUBECONFIG")
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(SystemExit, match="sluice: no Kubernetes API is configured: set KUBECONFIG"):
        function.load()


def test_loading_makes_no_event_loop_and_no_connection(function, wire, monkeypatch):
    def too_early() -> None:
        pytest.fail("an event loop was made while the function was loaded")

    monkeypatch.setattr(asyncio, "new_event_loop", too_early)
    function.load()
    assert function.transports == []


def test_two_functions_of_one_process_share_its_metrics(function, monkeypatch):
    function.load()
    Function(monkeypatch).load()


def test_connections_are_closed_when_the_worker_ends(function, wire):
    async def serve() -> None:
        assert (await function.post(webhook(alert()))).status == 201
        assert not wire.closed

    asyncio.run(serve())
    assert wire.closed


def test_worker_that_gets_another_loop_connects_anew(function, wire):
    function.load()
    for _ in range(2):
        asyncio.run(function.post(webhook(alert())))
    assert len(function.transports) == 2


def test_real_transport_is_closed_too(function):
    """Unclosed sessions and connections warn, and warnings are errors."""

    async def serve() -> None:
        assert (await function.post(webhook(alert()))).status == 503

    asyncio.run(serve())


async def test_requests_at_once_share_one_gateway(function, wire):
    answers = await asyncio.gather(*(function.post(webhook(alert(f"web-{number}"))) for number in range(20)))
    assert [answer.status for answer in answers] == [201] * 20
    assert len(function.transports) == 1


async def test_identical_alerts_at_once_make_one_rr(function, wire):
    answers = await asyncio.gather(*(function.post(webhook(alert())) for _ in range(16)))
    assert sorted(answer.status for answer in answers) == [201] + [202] * 15
    assert len({answer.json["results"][0]["remediationRequestName"] for answer in answers}) == 1
    assert wire.log.count("CREATE remediationrequests") == 1


async def test_settings_reach_what_they_set(function, wire):
    function.set(max_concurrent=7, payload_encoding="raw", signal_type="alert")
    await function.post(webhook(alert()))
    assert function.transports[0]["connections"] == 7
    path = path_of(remediation_requests(group="remediation.kubernaut.ai", version="v1alpha1"), namespace=NAMESPACE)
    stored = await deliver(wire.app, ApiRequest(method="GET", path=path))
    (item,) = json.loads(stored.body)["items"]
    assert item["spec"]["signalType"] == "alert"
    assert json.loads(item["spec"]["originalPayload"])["alerts"] == [alert()]


async def test_gauges_of_an_ended_worker_are_gone_and_its_counts_stay(function, scripted, monkeypatch, tmp_path):
    ended = await asyncio.create_subprocess_exec("true")
    await ended.wait()
    counters: Any = mmap_dict.MmapedDict
    for kind, name, sample in (
        ("counter", "gateway_conflicts", "gateway_conflicts_total"),
        ("gauge_livemax", "gateway_cold_start_seconds", "gateway_cold_start_seconds"),
    ):
        for pid in (ended.pid, os.getpid()):
            file = counters(str(tmp_path / f"{kind}_{pid}.db"))
            file.write_value(mmap_key(name, sample, [], [], "About."), 1.0 if pid == os.getpid() else 7.0, 0.0)
            file.close()
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    text = (await function.get("/metrics")).body.decode()
    values = {each.name: each.value for family in text_string_to_metric_families(text) for each in family.samples}
    assert values["gateway_conflicts_total"] == 8.0
    assert values["gateway_cold_start_seconds"] == 1.0


async def test_metrics_of_all_workers_are_added_up(function, scripted, monkeypatch, tmp_path):
    name = "gateway_signals_deduplicated"
    key = mmap_key(name, f"{name}_total", ["signal_name"], ["HighMemoryUsage"], "Repeats.")
    counters: Any = mmap_dict.MmapedDict
    for worker in (1, 2):
        file = counters(str(tmp_path / f"counter_{worker}.db"))
        file.write_value(key, worker, 0.0)
        file.close()
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    text = (await function.get("/metrics")).body.decode()
    (family,) = text_string_to_metric_families(text)
    assert [(sample.labels, sample.value) for sample in family.samples] == [({"signal_name": "HighMemoryUsage"}, 3.0)]


async def test_gauges_of_workers_that_are_gone_vanish(function, scripted, monkeypatch, tmp_path):
    name = "gateway_circuit_breaker_state"
    key = mmap_key(name, name, ["name"], ["kubernetes-api"], "State.")
    gauges: Any = mmap_dict.MmapedDict
    alive, gone = os.getpid(), 2**22 + 1  # above the largest pid of Linux
    for worker, state in ((alive, 0.0), (gone, 2.0)):
        file = gauges(str(tmp_path / f"gauge_livemax_{worker}.db"))
        file.write_value(key, state, 0.0)
        file.close()
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    text = (await function.get("/metrics")).body.decode()
    (family,) = text_string_to_metric_families(text)
    assert [sample.value for sample in family.samples] == [0.0]
