"""CustomResourceDefinitions: read, checked, and turned into kinds."""

from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from core.local.embedded.kinds import JsonObject, Kind
from core.local.embedded.openapi import UnsupportedSchemaError
from core.local.embedded.schemas import Schema
from core.local.embedded.statuses import Cause

DEFAULT_GROUP = "remediation.kubernaut.ai"
# Beside the packages in a checkout; the embedded API never runs from anywhere else.
CRD_FILE = Path(__file__).parents[3] / "knative" / "cluster" / "crd.yaml"


def load_crd(path: Path = CRD_FILE, *, group: str = DEFAULT_GROUP) -> JsonObject:
    """Return the CRD in a file, for `group` instead of its own group.

    Raises:
        FileNotFoundError: there is no such file.
        UnsupportedSchemaError: its schema asks for checks that the embedded API does not make.
    """
    crd = deepcopy(_parsed(path.read_text(encoding="utf-8")))
    crd["metadata"]["name"] = f"{crd['spec']['names']['plural']}.{group}"
    crd["spec"]["group"] = group
    kinds_of(crd)
    return crd


@lru_cache(maxsize=4)
def _parsed(text: str) -> JsonObject:
    """A simulation makes one API after the other; YAML takes longer than all the rest of that."""
    crd: JsonObject = yaml.safe_load(text)
    return crd


def kinds_of(crd: JsonObject) -> list[Kind]:
    """Return the kinds that a CRD serves, one for each version.

    Raises:
        UnsupportedSchemaError: as `load_crd`.
    """
    return [_kind(crd["spec"], version) for version in crd["spec"]["versions"] if version["served"]]


def _kind(spec: JsonObject, version: JsonObject) -> Kind:
    names = spec["names"]
    return Kind(
        group=spec["group"],
        version=version["name"],
        plural=names["plural"],
        kind=names["kind"],
        namespaced=spec["scope"] == "Namespaced",
        short_names=tuple(names.get("shortNames", ())),
        custom=True,
        status_subresource="status" in version.get("subresources", {}),
        counts_generation=True,
        selectable=_selectable(version),
        schema=Schema(version["schema"]["openAPIV3Schema"]),
    )


def _selectable(version: JsonObject) -> dict[str, tuple[str, ...]]:
    labels = ["metadata.name", "metadata.namespace"]
    labels += [field["jsonPath"].removeprefix(".") for field in version.get("selectableFields", ())]
    return {label: tuple(label.split(".")) for label in labels}


def check(crd: JsonObject, _old: JsonObject | None) -> list[Cause]:
    """Return what is wrong with a CRD, or what this server cannot do for it."""
    try:
        kinds_of(crd)
    except (KeyError, TypeError, AttributeError) as error:
        return [_invalid("spec", f"is incomplete: {error}")]
    except UnsupportedSchemaError as error:
        return [_invalid("spec.versions", str(error))]
    spec = crd["spec"]
    wanted = f"{spec['names']['plural']}.{spec['group']}"
    if crd["metadata"].get("name") != wanted:
        return [
            Cause(
                "FieldValueInvalid",
                f'Invalid value: "{crd["metadata"].get("name", "")}": must be spec.names.plural+"."+spec.group',
                "metadata.name",
            )
        ]
    return []


def _invalid(field: str, why: str) -> Cause:
    return Cause("FieldValueInvalid", f"Invalid value: {why}", field)


def prepare(new: JsonObject, time: str) -> JsonObject:
    """Accept the names and establish the kind at once; the API server takes a moment for it."""
    spec = new.get("spec") or {}
    conditions = [
        _condition("NamesAccepted", "NoConflicts", "no conflicts found", time),
        _condition("Established", "InitialNamesAccepted", "the initial names have been accepted", time),
    ]
    stored = [version.get("name") for version in spec.get("versions", ()) if version.get("storage")]
    status = {"conditions": conditions, "acceptedNames": spec.get("names", {}), "storedVersions": stored}
    return new | {"status": status}


def _condition(name: str, reason: str, message: str, time: str) -> dict[str, Any]:
    return {
        "type": name,
        "status": "True",
        "lastTransitionTime": time,
        "reason": reason,
        "message": message,
    }


CRDS = Kind(
    group="apiextensions.k8s.io",
    version="v1",
    plural="customresourcedefinitions",
    kind="CustomResourceDefinition",
    namespaced=False,
    short_names=("crd", "crds"),
    status_subresource=True,
    counts_generation=True,
    selectable={"metadata.name": ("metadata", "name"), "metadata.namespace": ("metadata", "namespace")},
    check=check,
    prepare=prepare,
)
