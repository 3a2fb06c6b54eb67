"""Settings come from the environment; a wrong one is named with its value and the remedy."""

import os

import pytest

from core import settings as module
from core.errors import ConfigurationError
from core.settings import KUBERNAUT, Settings, load_settings, unknown_variables


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch, tmp_path):
    """No setting, and no service account, whatever machine the tests run on."""
    for name in [name for name in os.environ if name.upper().startswith("SLUICE_")] + ["POD_NAMESPACE"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(module, "_SERVICE_ACCOUNT_NAMESPACE", tmp_path / "namespace")


def test_nothing_needs_to_be_set():
    assert vars(load_settings()) == {
        "namespace": "sluice-system",
        "profile": "sluice",
        "group": "remediation.kubernaut.ai",
        "version": "v1alpha1",
        "reads": "fenced",
        "first_count": "implied",
        "resolved": "condition",
        "rr_events": "none",
        "cooldown": 0.0,
        "auth": "kubernetes",
        "auth_none": "",
        "audiences": "",
        "oidc_senders": "",
        "secret_file": "",
        "payload_encoding": "base64",
        "signal_type": "prometheus-alert",
        "cluster": "",
        "cluster_labels": "cluster",
        "untargeted": "ignore",
        "rules": "",
        "owners": "resolve",
        "target": "object",
        "owner_cache": 600.0,
        "scope_label": "",
        "own_namespace": "ignore",
        "event_max_age": 300.0,
        "dead_letter_topic": "",
        "audit_sink": "",
        "audit_batch": 1,
        "dead_letter_max_age": 1_209_600,
        "metrics_port": 0,
        "request_deadline": 8.0,
        "api_timeout": 3.0,
        "breaker_open": 30.0,
        "max_concurrent": 100,
        "max_body": 8 * 1024 * 1024,
        "body_budget": 8 * 1024 * 1024,
        "max_alerts": 10_000,
        "memory_rrs": 10_000,
        "log_level": "INFO",
        "log_sink": "stdout",
        "api_server": "",
        "api_ca": "",
    }


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("NAMESPACE", "ops", "ops"),
        ("PROFILE", "kubernaut", "kubernaut"),
        ("GROUP", "kubernaut.ai", "kubernaut.ai"),
        ("VERSION", "v1", "v1"),
        ("READS", "consistent", "consistent"),
        ("AUTH", "none", "none"),
        ("AUTH", "kubernetes, oidc,secret", "kubernetes, oidc,secret"),
        ("AUTH_NONE", "i-have-another-gate", "i-have-another-gate"),
        ("AUDIENCES", "sluice,https://sluice.example", "sluice,https://sluice.example"),
        (
            "OIDC_SENDERS",
            "https://a.example#x@y.example,cluster#system:serviceaccount:a:b",
            "https://a.example#x@y.example,cluster#system:serviceaccount:a:b",
        ),
        ("SECRET_FILE", "/var/run/secrets/sluice/senders", "/var/run/secrets/sluice/senders"),
        ("PAYLOAD_ENCODING", "raw", "raw"),
        ("SIGNAL_TYPE", "alert", "alert"),
        ("CLUSTER", "prod-1", "prod-1"),
        ("CLUSTER_LABELS", "cluster, k8s_cluster_name", "cluster, k8s_cluster_name"),
        ("OWNERS", "as-named", "as-named"),
        ("TARGET", "owner", "owner"),
        ("OWNER_CACHE", "0", 0.0),
        ("SCOPE_LABEL", "kubernaut.ai/managed=true", "kubernaut.ai/managed=true"),
        ("SCOPE_LABEL", "managed", "managed"),
        ("EVENT_MAX_AGE", "60", 60.0),
        ("DEAD_LETTER_TOPIC", "projects/p/topics/t", "projects/p/topics/t"),
        ("METRICS_PORT", "9091", 9091),
        ("REQUEST_DEADLINE", "0.5", 0.5),
        ("REQUEST_DEADLINE", "600", 600.0),
        ("API_TIMEOUT", "0.1", 0.1),
        ("BREAKER_OPEN", "5", 5.0),
        ("MAX_CONCURRENT", "1", 1),
        ("MAX_BODY", "1024", 1024),
        ("BODY_BUDGET", "1024", 1024),
        ("MEMORY_RRS", "0", 0),
        ("LOG_LEVEL", "DEBUG", "DEBUG"),
        ("LOG_SINK", "cloud-logging", "cloud-logging"),
        ("API_SERVER", "https://1.2.3.4", "https://1.2.3.4"),
        ("API_CA", "LS0t", "LS0t"),
    ],
)
def test_variable_sets_its_setting(monkeypatch, name, text, value):
    monkeypatch.setenv(f"SLUICE_{name}", text)
    assert getattr(load_settings(), name.lower()) == value


WRONG = [
    ("CLUSTER_LABELS", "cluster, k8s_cluster_name,"),
    ("CLUSTER_LABELS", "a b"),
    ("CLUSTER_LABELS", "l" * 1025),
    ("NAMESPACE", "Ops"),
    ("NAMESPACE", "-ops"),
    ("NAMESPACE", "o" * 64),
    ("NAMESPACE", "ops\n"),
    ("GROUP", "Kubernaut"),
    ("GROUP", "a..b"),
    ("VERSION", "v1/../.."),
    ("READS", "stale"),
    ("AUTH", "basic"),
    ("AUTH", "none,kubernetes"),
    ("AUTH", "kubernetes,"),
    ("AUTH_NONE", "yes"),
    ("OIDC_SENDERS", "https://accounts.google.com"),
    ("OIDC_SENDERS", "push@project.iam.gserviceaccount.com"),
    ("OIDC_SENDERS", "cluster#a b"),
    ("PAYLOAD_ENCODING", "gzip"),
    ("SIGNAL_TYPE", "x" * 51),
    ("REQUEST_DEADLINE", "0"),
    ("REQUEST_DEADLINE", "601"),
    ("REQUEST_DEADLINE", "nan"),
    ("REQUEST_DEADLINE", "inf"),
    ("REQUEST_DEADLINE", "8 s"),
    ("API_TIMEOUT", "-1"),
    ("API_TIMEOUT", "61"),
    ("BREAKER_OPEN", "0.5"),
    ("BREAKER_OPEN", "601"),
    ("MAX_CONCURRENT", "0"),
    ("MAX_CONCURRENT", "10001"),
    ("MAX_CONCURRENT", "1.5"),
    ("MAX_BODY", "1023"),
    ("BODY_BUDGET", "1023"),
    ("MEMORY_RRS", "-1"),
    ("LOG_LEVEL", "verbose"),
    ("LOG_SINK", "file"),
    ("API_SERVER", "1.2.3.4"),
    ("API_SERVER", "https://a b"),
]


@pytest.mark.parametrize(("name", "text"), WRONG)
def test_wrong_value_is_named_with_variable_value_and_meaning(monkeypatch, name, text):
    monkeypatch.setenv(f"SLUICE_{name}", text)
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    description = Settings.fields[name.lower()].description
    sentence = str(caught.value)
    assert sentence.startswith(f"SLUICE_{name}={text!r} cannot work: ")
    assert sentence.endswith(f" ({description})")
    assert caught.value.__cause__ is None


def test_sentence_says_what_would_work(monkeypatch):
    monkeypatch.setenv("SLUICE_READS", "stale")
    with pytest.raises(ConfigurationError, match="should be 'fenced' or 'consistent'"):
        load_settings()
    monkeypatch.setenv("SLUICE_READS", "fenced")
    monkeypatch.setenv("SLUICE_MAX_CONCURRENT", "0")
    with pytest.raises(ConfigurationError, match="greater than or equal to 1"):
        load_settings()


def test_all_wrong_values_are_named_at_once(monkeypatch):
    monkeypatch.setenv("SLUICE_AUTH", "basic")
    monkeypatch.setenv("SLUICE_MAX_BODY", "few")
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert "SLUICE_AUTH='basic' cannot work: " in str(caught.value)
    assert "; SLUICE_MAX_BODY='few' cannot work: " in str(caught.value)


def test_empty_variable_counts_as_not_set(monkeypatch):
    for name in Settings.fields:
        monkeypatch.setenv(f"SLUICE_{name.upper()}", "")
    assert load_settings() == Settings()


def test_unknown_variables_are_none_of_ours(monkeypatch):
    monkeypatch.setenv("SLUICE_SERVICE_HOST", "10.0.0.1")  # what Kubernetes sets for a Service named sluice
    assert load_settings() == Settings()


def test_settings_never_change_after_the_start():
    with pytest.raises(AttributeError, match="never changes"):
        load_settings().reads = "consistent"  # type: ignore[misc]


class TestKubernautsProfile:
    def test_changes_what_other_settings_are_by_default(self, monkeypatch):
        monkeypatch.setenv("SLUICE_PROFILE", "kubernaut")
        settings = load_settings()
        assert {name: getattr(settings, name) for name in KUBERNAUT} == KUBERNAUT
        assert settings.group == "kubernaut.ai"

    def test_writes_rrs_where_its_orchestrator_looks_wherever_it_runs(self, monkeypatch):
        monkeypatch.setenv("SLUICE_PROFILE", "kubernaut")
        monkeypatch.setenv("POD_NAMESPACE", "sluice-system")
        settings = load_settings()
        assert settings.namespace == "kubernaut-system"
        assert settings.own_namespaces == {"kubernaut-system", "sluice-system"}
        monkeypatch.setenv("SLUICE_NAMESPACE", "elsewhere")
        assert load_settings().namespace == "elsewhere"

    def test_leaves_what_is_set(self, monkeypatch):
        monkeypatch.setenv("SLUICE_PROFILE", "kubernaut")
        monkeypatch.setenv("SLUICE_GROUP", "remediation.kubernaut.ai")
        monkeypatch.setenv("SLUICE_READS", "fenced")
        settings = load_settings()
        assert (settings.group, settings.reads) == ("remediation.kubernaut.ai", "fenced")
        assert settings.payload_encoding == "raw"

    def test_that_does_not_exist_is_refused(self, monkeypatch):
        monkeypatch.setenv("SLUICE_PROFILE", "kubernaught")
        with pytest.raises(ConfigurationError, match="SLUICE_PROFILE='kubernaught' cannot work"):
            load_settings()


class TestNamespace:
    def test_is_the_pods_by_default(self, monkeypatch):
        monkeypatch.setenv("POD_NAMESPACE", "pod-ns")
        assert load_settings().namespace == "pod-ns"

    def test_is_the_service_accounts_where_the_pod_does_not_say(self, tmp_path):
        (tmp_path / "namespace").write_text("account-ns\n")
        assert load_settings().namespace == "account-ns"

    def test_pod_comes_before_the_service_account_and_the_setting_before_both(self, monkeypatch, tmp_path):
        (tmp_path / "namespace").write_text("account-ns")
        monkeypatch.setenv("POD_NAMESPACE", "pod-ns")
        assert load_settings().namespace == "pod-ns"
        monkeypatch.setenv("SLUICE_NAMESPACE", "own-ns")
        assert load_settings().namespace == "own-ns"

    def test_wrong_default_is_refused_like_a_wrong_setting(self, monkeypatch):
        monkeypatch.setenv("POD_NAMESPACE", "Not A Namespace")
        with pytest.raises(ConfigurationError, match="SLUICE_NAMESPACE='Not A Namespace' cannot work: "):
            load_settings()


def test_misspelt_setting_is_told_with_the_one_that_is_meant():
    environ = {"SLUICE_NAMSPACE": "x", "SLUICE_GROUP": "g", "SLUICE_ZZZZZZ": "", "PATH": ""}
    assert unknown_variables(environ) == [
        "SLUICE_NAMSPACE is no setting; SLUICE_NAMESPACE is meant?",
        "SLUICE_ZZZZZZ is no setting",
    ]


def test_what_the_kubelet_sets_for_services_of_ours_is_no_mistake():
    links = {
        "SLUICE_ALERTMANAGER_SERVICE_HOST": "10.0.0.1",
        "SLUICE_ALERTMANAGER_SERVICE_PORT_HTTP": "80",
        "SLUICE_ALERTMANAGER_PORT": "tcp://10.0.0.1:80",
        "SLUICE_ALERTMANAGER_PORT_80_TCP": "tcp://10.0.0.1:80",
        "SLUICE_ALERTMANAGER_PORT_80_TCP_ADDR": "10.0.0.1",
    }
    assert unknown_variables(links) == []
    assert unknown_variables({"SLUICE_METRIC_PORT": "9090"}) == [
        "SLUICE_METRIC_PORT is no setting; SLUICE_METRICS_PORT is meant?"
    ]
