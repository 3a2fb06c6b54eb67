"""TokenReview and SubjectAccessReview: questions about tokens and rules, asked by creating an object."""

from collections.abc import Callable
from typing import Any

from core.local.embedded.access import Access, User
from core.local.embedded.bodies import read_object
from core.local.embedded.calls import Answer, Call
from core.local.embedded.kinds import Kind
from core.local.embedded.paths import ResourcePath
from core.local.embedded.representations import json_answer
from core.local.embedded.statuses import Cause, Target, bad_request, invalid, method_not_allowed
from core.local.embedded.violations import quoted

JsonObject = dict[str, Any]
Review = Callable[[Access, JsonObject], JsonObject]

AUDIENCE = "https://kubernetes.default.svc"

TOKEN_REVIEWS = Kind(
    group="authentication.k8s.io", version="v1", plural="tokenreviews", kind="TokenReview", namespaced=False
)
SUBJECT_ACCESS_REVIEWS = Kind(
    group="authorization.k8s.io",
    version="v1",
    plural="subjectaccessreviews",
    kind="SubjectAccessReview",
    namespaced=False,
)


def review_token(access: Access, spec: JsonObject) -> JsonObject:
    """Return the status of a TokenReview; ApiError 400 without a token."""
    token = spec.get("token")
    if not token:
        raise bad_request("token is required for TokenReview in authentication")
    user = access.user_of(token)
    audiences = spec.get("audiences") or [AUDIENCE]
    if user is None or AUDIENCE not in audiences:
        return {"user": {}, "error": "invalid bearer token"}
    found: JsonObject = {"username": user.name, "uid": user.uid, "groups": list(user.groups)}
    said = {key: value for key, value in found.items() if value}
    return {"authenticated": True, "user": said, "audiences": [AUDIENCE]}


def review_access(access: Access, spec: JsonObject) -> JsonObject:
    """Return the status of a SubjectAccessReview; ApiError 422 for an incomplete question."""
    causes = _faults(spec)
    if causes:
        raise invalid(Target("authorization.k8s.io", ""), "", causes)
    user = User(spec.get("user", ""), tuple(spec.get("groups") or ()))
    path = spec.get("nonResourceAttributes")
    if path:
        return {"allowed": access.allows_path(user, path.get("path", ""))}
    resource = spec["resourceAttributes"]
    return {"allowed": access.allows(user, resource.get("verb", ""), _resource_path(resource))}


def _resource_path(attributes: JsonObject) -> ResourcePath:
    return ResourcePath(
        group=attributes.get("group", ""),
        version=attributes.get("version", ""),
        namespace=attributes.get("namespace", ""),
        plural=attributes.get("resource", ""),
        name=attributes.get("name", ""),
        subresource=attributes.get("subresource", ""),
    )


def _faults(spec: JsonObject) -> list[Cause]:
    path, resource = spec.get("nonResourceAttributes"), spec.get("resourceAttributes")
    causes = []
    if path and resource:
        shown = quoted({"Path": path.get("path", ""), "Verb": path.get("verb", "")})
        why = "cannot be specified in combination with resourceAttributes"
        causes.append(_invalid("spec.nonResourceAttributes", shown, why))
    if not path and not resource:
        why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        causes.append(_invalid("spec.resourceAttributes", "null", why))
    if not spec.get("user") and not spec.get("groups"):
        causes.append(_invalid("spec.user", '""', "at least one of user or group must be specified"))
    return causes


def _invalid(field: str, value: str, why: str) -> Cause:
    return Cause("FieldValueInvalid", f"Invalid value: {value}: {why}", field)


REVIEWS = {kind.resource: kind for kind in (TOKEN_REVIEWS, SUBJECT_ACCESS_REVIEWS)}
_ANSWERS: dict[Target, Review] = {
    TOKEN_REVIEWS.resource: review_token,
    SUBJECT_ACCESS_REVIEWS.resource: review_access,
}


def answer_review(call: Call, access: Access, kind: Kind) -> Answer:
    """Answer a review: the question with its status; ApiError 400, 405, 413, 415, 422."""
    if call.method != "POST":
        raise method_not_allowed()
    question, _ = read_object(call, kind)
    spec = question.get("spec") or {}
    status = _ANSWERS[kind.resource](access, spec)
    return json_answer(201, question | {"spec": spec, "status": status})
