"""Errors of the simulated API, in the words of core.local.embedded, which has them from the real one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

JsonObject = dict[str, Any]

LOCK_LOST = "the object has been modified; please apply your changes to the latest version and try again"


class RefusedError(Exception):
    """The call is answered with an error; `status` is the metav1.Status object."""

    def __init__(self, code: int, reason: str, message: str, details: JsonObject) -> None:
        super().__init__(message)
        self.code = code
        self.status = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            "details": details,
            "code": code,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a call is about; `name` is empty for a collection."""

    group: str
    version: str
    namespace: str
    plural: str
    name: str = ""

    @classmethod
    def of(cls, path: str) -> Target:
        """Read the URL path of a namespaced object, its collection or its status."""
        _, _, group, version, _, namespace, plural, *rest = path.split("/")
        return cls(group=group, version=version, namespace=namespace, plural=plural, name=rest[0] if rest else "")

    @property
    def api_version(self) -> str:
        """The object's `apiVersion`."""
        return f"{self.group}/{self.version}"

    @property
    def details(self) -> JsonObject:
        """`details` of a Status."""
        return {"name": self.name, "group": self.group, "kind": self.plural}

    def not_found(self) -> RefusedError:
        """404."""
        return RefusedError(404, "NotFound", f'{self._resource} "{self.name}" not found', self.details)

    def already_exists(self) -> RefusedError:
        """409 for a CREATE."""
        return RefusedError(409, "AlreadyExists", f'{self._resource} "{self.name}" already exists', self.details)

    def conflict(self, why: str = LOCK_LOST) -> RefusedError:
        """409 for an update."""
        message = f'Operation cannot be fulfilled on {self._resource} "{self.name}": {why}'
        return RefusedError(409, "Conflict", message, self.details)

    def version_missing(self) -> RefusedError:
        """422 for an update that does not say what it updates."""
        field, why = "metadata.resourceVersion", "Invalid value: 0: must be specified for an update"
        cause = {"reason": "FieldValueInvalid", "message": why, "field": field}
        message = f'{self._resource} "{self.name}" is invalid: {field}: {why}'
        return RefusedError(422, "Invalid", message, self.details | {"causes": [cause]})

    def uid_differs(self, *, asked: str, found: str) -> RefusedError:
        """409 for an update of an object that is another one by now."""
        key = f"/registry/{self.plural}/{self.namespace}/{self.name}"
        return self.conflict(
            f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: "
            f"Precondition failed: UID in precondition: {asked}, UID in object meta: {found}"
        )

    def precondition_fails(self, field: str, *, asked: str, found: str, perhaps: str) -> RefusedError:
        """409 for a DELETE."""
        why = (
            f"the {field} in the precondition ({asked}) does not match the {field} in record ({found}). "
            f"The object might have been {perhaps}"
        )
        message = f'Operation cannot be fulfilled on {self.plural} "{self.name}": {why}'
        return RefusedError(409, "Conflict", message, self.details)

    @property
    def _resource(self) -> str:
        return f"{self.plural}.{self.group}"
