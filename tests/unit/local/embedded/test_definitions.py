"""Definitions whose checks the embedded API would not make are refused, never half obeyed."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from core.local.embedded import UnsupportedSchemaError, load_crd
from core.local.embedded.kinds import CRD_FILE, kinds_of
from core.local.embedded.schemas import Schema

RULE = {"rule": "self == oldSelf", "message": "never again"}


def spec(**schema: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"spec": {"type": "object", **schema}}}


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (spec(anyOf=[]), "schema of spec: the embedded API does not know anyOf"),
        ({"type": "object", "oneOf": [], "not": {}}, "schema of the object: the embedded API does not know not, oneOf"),
        (
            spec(properties={"a": {"type": "array", "items": {"x-kubernetes-embedded-resource": True}}}),
            "schema of spec.a.items: the embedded API does not know x-kubernetes-embedded-resource",
        ),
        (
            spec(properties={"a": {"type": "array", "x-kubernetes-list-type": "set"}}),
            "schema of spec.a: the embedded API knows atomic lists, and such as are maps, only",
        ),
        (
            spec(**{"x-kubernetes-validations": [{"rule": "self.a > 1"}]}),
            "schema of spec: the embedded API knows the rule 'self == oldSelf' only, not rule 'self.a > 1'",
        ),
        (
            spec(**{"x-kubernetes-validations": [RULE | {"optionalOldSelf": True}]}),
            "not rule 'self == oldSelf' with optionalOldSelf",
        ),
        (
            spec(additionalProperties={"type": "string", "x-kubernetes-validations": [RULE]}),
            "schema of spec: the embedded API knows no rules inside lists and maps",
        ),
    ],
)
def test_an_unknown_check_is_refused(schema: dict[str, Any], words: str):
    with pytest.raises(UnsupportedSchemaError) as refused:
        Schema(schema)
    assert words in str(refused.value)


class TestTransitionRules:
    def test_a_rule_deep_inside(self):
        schema = Schema(spec(properties={"a": {"type": "string", "x-kubernetes-validations": [RULE]}}))
        old = {"spec": {"a": "x", "b": 1}}
        assert schema.broken_rules({"spec": {"a": "x", "b": 2}}, old) == []
        (broken,) = schema.broken_rules({"spec": {"a": "y"}}, old)
        assert (broken.field, broken.message) == ("spec.a", "Invalid value: never again")

    def test_no_rule_holds_for_what_was_not_there(self):
        schema = Schema(spec(properties={"a": {"type": "string", "x-kubernetes-validations": [RULE]}}))
        assert schema.broken_rules({"spec": {"a": "y"}}, {"spec": {}}) == []
        assert schema.broken_rules({"spec": {"a": "y"}}, {"spec": "text"}) == []
        assert schema.broken_rules({"spec": {"a": "y"}}, None) == []

    def test_a_rule_without_a_message_names_itself(self):
        schema = Schema(spec(**{"x-kubernetes-validations": [{"rule": "self == oldSelf"}]}))
        (broken,) = schema.broken_rules({"spec": {"a": 1}}, {"spec": {"a": 2}})
        assert broken.message == "Invalid value: failed rule: self == oldSelf"


class TestTheFile:
    def test_is_the_projects_own(self):
        assert CRD_FILE.is_file()
        assert load_crd() == yaml.safe_load(CRD_FILE.read_text())

    def test_another_group_is_named_everywhere(self):
        crd = load_crd(group="kubernaut.ai")
        text = CRD_FILE.read_text().replace("remediation.kubernaut.ai", "kubernaut.ai")
        assert crd == yaml.safe_load(text)

    def test_what_is_loaded_may_be_changed(self):
        load_crd()["spec"]["versions"].clear()
        assert load_crd()["spec"]["versions"]

    def test_a_file_that_is_not_there(self, tmp_path: Path):
        with pytest.raises(FileNotFoundError):
            load_crd(tmp_path / "crd.yaml")

    def test_a_version_that_is_not_served_is_no_kind(self):
        crd = load_crd()
        crd["spec"]["versions"][0]["served"] = False
        assert kinds_of(crd) == []

    def test_says_what_its_consumers_know(self):
        crd = load_crd()
        (version,) = crd["spec"]["versions"]
        assert (version["name"], version["served"], version["storage"]) == ("v1alpha1", True, True)
        assert [field["jsonPath"] for field in version["selectableFields"]] == [
            ".spec.signalFingerprint",
            ".spec.signalType",
            ".spec.severity",
            ".spec.clusterID",
        ]
        columns = [(column["name"], column.get("priority", 0)) for column in version["additionalPrinterColumns"]]
        shown = [name for name, priority in columns if not priority]
        assert shown == ["Phase", "Target", "Count", "Outcome", "Alert", "Age"]
        assert [name for name, priority in columns if priority] == ["Cluster", "Source", "Signal NS"]
