"""Rules decide about signals by their labels; a file that cannot work is told by rule and field."""

import re
import subprocess
import sys

import pytest

from core.errors import ConfigurationError
from core.signals.rules import BUILT_IN_RULES, Decision, default_rules
from core.signals.rules_file import load_rules, read_rules

WHERE = "SLUICE_RULES=/etc/sluice/rules.yaml"


def decided(text: str, **labels: str) -> Decision:
    return read_rules(text, where=WHERE).decide(labels)


class TestBuiltIn:
    @pytest.mark.parametrize(
        "name",
        ["Watchdog", "InfoInhibitor", "AlertmanagerFailedToSendAlerts", "SluiceFailingToStore", "DatasourceError"],
    )
    def test_alert_that_asks_for_nothing_is_ignored(self, name):
        assert default_rules().decide({"alertname": name}).ignored

    def test_alert_like_any_other_is_left_as_it_is(self):
        assert default_rules().decide({"alertname": "KubePodCrashLooping"}) == Decision()

    def test_failing_probe_counts_from_its_third_occurrence(self):
        decision = default_rules().decide({"type": "Warning", "reason": "Unhealthy"})
        assert decision.min_occurrences == 3

    def test_one_of_them_can_be_switched_off(self):
        assert not decided("builtIn: {always-firing: false}", alertname="Watchdog").ignored
        assert decided("builtIn: {always-firing: false}", alertname="AlertmanagerFailedToSendAlerts").ignored

    def test_all_of_them_can_be_switched_off(self):
        assert read_rules("builtIn: false", where=WHERE).rules == []

    def test_none_needs_the_engine_for_regular_expressions(self):
        code = (
            "import sys; from core.signals.rules import default_rules; default_rules().decide({'alertname': 'x'}); "
            "sys.exit(bool({'re2', 'core.signals.rules_file'} & sys.modules.keys()))"
        )
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class TestActions:
    def test_ignored_says_which_rule_and_why(self):
        text = "rules: [{name: no-dev, match: 'namespace=~\"dev-.*\"', ignore: developers look after these}]"
        assert decided(text, namespace="dev-1").ignored == "rule no-dev: developers look after these"
        assert decided(text, namespace="prod") == Decision()

    def test_target_is_made_of_labels(self):
        text = (
            "rules: [{name: app, match: 'app!=\"\"', target: {kind: Deployment, name: '{app}-web', namespace: '{ns}'}}]"
        )
        assert decided(text, app="cart", ns="shop").hints == {
            "target_kind": "Deployment",
            "target_name": "cart-web",
            "target_namespace": "shop",
        }

    def test_target_whose_label_is_missing_changes_nothing(self):
        text = "rules: [{name: app, match: 'alertname=A', target: {kind: Deployment, name: '{app}'}}]"
        assert decided(text, alertname="A").hints == {}

    @pytest.mark.parametrize("seconds", [0, 600])
    def test_cooldown_stands_on_the_rr(self, seconds):
        decision = read_rules(f"rules: [{{name: x, match: 'alertname=A', cooldown: {seconds}}}]", where=WHERE).decide(
            {"alertname": "A"}
        )
        assert decision.provenance["gateway.kubernaut.ai/cooldown"] == str(seconds)

    def test_cooldown_of_a_later_rule_counts(self):
        text = "rules: [{name: x, match: 'a=b', cooldown: 600}, {name: y, match: 'a=b', cooldown: 0}]"
        assert read_rules(text, where=WHERE).decide({"a": "b"}).cooldown == 0

    def test_severity_and_cluster_are_set(self):
        text = "rules: [{name: x, match: 'alertname=A', severity: critical, cluster: ''}]"
        decision = decided(text, alertname="A", cluster="prod")
        assert (decision.severity, decision.cluster) == ("critical", "")

    def test_later_rule_replaces_what_an_earlier_one_said(self):
        text = """
        rules:
          - {name: first, match: 'alertname=~".*"', severity: warning, cluster: east}
          - {name: second, match: 'alertname=A', severity: critical}
        """
        decision = decided(text, alertname="A")
        assert (decision.severity, decision.cluster, decision.rules) == ("critical", "east", ["first", "second"])

    def test_stop_ends_the_list(self):
        text = """
        rules:
          - {name: ours, match: 'team=core', stop: true}
          - {name: rest, match: 'alertname=~".*"', ignore: not ours}
        """
        assert not decided(text, team="core", alertname="A").ignored
        assert decided(text, team="web", alertname="A").ignored

    def test_all_matchers_of_a_rule_must_accept(self):
        text = "rules: [{name: x, match: ['alertname=A', 'team!=core'], ignore: y}]"
        assert decided(text, alertname="A").ignored
        assert not decided(text, alertname="A", team="core").ignored


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rules: [{name: x, match: 'a=b', ignore: y, colour: red}]", "rule 1 (x): rules.0.colour"),
        ("rules: [{match: 'a=b', ignore: y}]", "rule 1: rules.0.name"),
        ("rules: [{name: x, match: 'a', ignore: y}]", "rule 1 (x): match: "),
        ("rules: [{name: x, match: 'a=b'}]", "it does nothing"),
        ("rules: [{name: x, match: '', ignore: y}]", "match is empty"),
        ("rules: [{name: x, match: 'a=b', ignore: ''}]", "ignore is empty"),
        ("rules: [{name: x, match: 'a=~\"(\"', ignore: y}]", "cannot be read"),
        ("rules: [{name: x, match: 'a=b', minOccurrences: 0}]", "rules.0.minOccurrences"),
        ("rules: [{name: x, match: 'a=b', cooldown: -1}]", "rules.0.cooldown"),
        ("rules: [{name: x, match: 'a=b', cooldown: 604801}]", "rules.0.cooldown"),
        ("rules: [{name: x, match: 'a=b', ignore: y}, {name: x, match: 'a=c', ignore: y}]", "two rules are named 'x'"),
        ("builtIn: {watchdog: false}", "builtIn names 'watchdog'; there are always-firing"),
        ("rules: {", "is no YAML"),
        ("- a list", "valid dictionary"),
        ("roles: []", "roles"),
    ],
)
def test_file_that_cannot_work_is_told_by_rule_and_field(text, said):
    with pytest.raises(ConfigurationError) as raised:
        read_rules(text, where=WHERE)
    assert str(raised.value).startswith(WHERE)
    assert said in str(raised.value)


def test_file_that_is_not_there_is_told(tmp_path):
    path = tmp_path / "none.yaml"
    sentence = f"SLUICE_RULES={path} cannot be read: no such file or directory; name a YAML file of rules"
    with pytest.raises(ConfigurationError, match=f"^{re.escape(sentence)}$"):
        load_rules(str(path))
    path.write_bytes(b"\xff")
    with pytest.raises(
        ConfigurationError, match=r"cannot be read: it is no UTF-8 text \(invalid start byte at byte 0\)"
    ):
        load_rules(str(path))


def test_empty_file_has_the_rules_that_are_built_in(tmp_path):
    (tmp_path / "rules.yaml").write_text("")
    assert [rule.name for rule in load_rules(str(tmp_path / "rules.yaml")).rules] == [
        rule.name for rule in BUILT_IN_RULES
    ]
