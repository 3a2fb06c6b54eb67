"""Who calls, and what they may do: bearer tokens, rules in the manner of RBAC, and the reviews that ask for both."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.local.embedded.calls import Answer, Call, ResourcePath
from core.local.embedded.encoding import json_answer, read_object
from core.local.embedded.kinds import Kind
from core.local.embedded.schemas import quoted
from core.local.embedded.statuses import (
    ApiError,
    Cause,
    Target,
    bad_request,
    forbidden,
    forbidden_path,
    invalid,
    method_not_allowed,
    unauthorized,
)

JsonObject = dict[str, Any]
_AUTHENTICATED = "system:authenticated"
_MASTERS = "system:masters"
_PUBLIC_PATHS = frozenset(("/healthz", "/livez", "/readyz", "/version"))
_ABOUT_ONESELF = ("authorization.k8s.io", "selfsubjectaccessreviews")
_DISCOVERY_PATHS = ("/api", "/apis", "/openapi")


@dataclass(frozen=True, slots=True)
class User:
    """A caller, as TokenReview reports it."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""


ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))
ADMIN = User("admin", (_MASTERS, _AUTHENTICATED))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What the named users and groups may do; `*` stands for all, no namespaces for all of them."""

    subjects: Sequence[str]
    verbs: Sequence[str]
    api_groups: Sequence[str]
    resources: Sequence[str]
    resource_names: Sequence[str] = ()
    namespaces: Sequence[str] = ()

    def allows(self, user: User, verb: str, path: ResourcePath) -> bool:
        """Whether this rule lets the user do that."""
        return (
            any(subject in (user.name, *user.groups) for subject in self.subjects)
            and _covers(self.verbs, verb)
            and _covers(self.api_groups, path.group)
            and _covers(self.resources, path.resource)
            and (not self.resource_names or path.name in self.resource_names)
            and (not self.namespaces or path.namespace in self.namespaces)
        )


def _covers(allowed: Sequence[str], wanted: str) -> bool:
    return "*" in allowed or wanted in allowed


@dataclass
class Access:
    """Tokens and rules. Without any token the API is open: everybody is the administrator."""

    tokens: dict[str, User] = field(default_factory=dict)
    rules: list[Rule] = field(default_factory=list)

    def user_of(self, token: str) -> User | None:
        """Return whom a token belongs to, with the group that every authenticated user is in."""
        user = self.tokens.get(token)
        return user and User(user.name, _with(user.groups, _AUTHENTICATED), user.uid)

    def authenticate(self, headers: Mapping[str, str]) -> User:
        """Return the caller; ApiError 401 for a token that is not known."""
        if not self.tokens:
            return ADMIN
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return ANONYMOUS
        user = self.user_of(token.strip())
        if user is None:
            raise unauthorized()
        return user

    def allows(self, user: User, verb: str, path: ResourcePath) -> bool:
        """Whether the user may do that with a resource; anybody known may ask about himself (RBAC: basic-user)."""
        if (path.group, path.resource) == _ABOUT_ONESELF and verb == "create" and _AUTHENTICATED in user.groups:
            return True
        return _MASTERS in user.groups or any(rule.allows(user, verb, path) for rule in self.rules)

    def allows_path(self, user: User, path: str) -> bool:
        """Whether the user may GET a path that is no resource."""
        if _MASTERS in user.groups or path in _PUBLIC_PATHS:
            return True
        discovery = any(path == root or path.startswith(f"{root}/") for root in _DISCOVERY_PATHS)
        return discovery and _AUTHENTICATED in user.groups

    def authorize(self, user: User, verb: str, path: ResourcePath) -> None:
        """Raise ApiError 403, in the words of RBAC, for what the user may not do."""
        if not self.allows(user, verb, path):
            raise refusal(user, verb, path)

    def authorize_path(self, user: User, method: str, path: str) -> None:
        """Raise ApiError 403 for a path that the user may not see."""
        if not self.allows_path(user, path):
            raise forbidden_path(f'User "{user.name}" cannot {method.lower()} path "{path}"')


def _with(groups: Iterable[str], group: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*groups, group)))


def refusal(user: User, verb: str, path: ResourcePath) -> ApiError:
    """Return the 403 for a resource."""
    scope = f'in the namespace "{path.namespace}"' if path.namespace else "at the cluster scope"
    why = f'User "{user.name}" cannot {verb} resource "{path.resource}" in API group "{path.group}" {scope}'
    return forbidden(Target(path.group, path.plural), path.name, why)


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
SELF_REVIEWS = Kind(
    group="authorization.k8s.io",
    version="v1",
    plural="selfsubjectaccessreviews",
    kind="SelfSubjectAccessReview",
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


def review_own_access(access: Access, user: User, spec: JsonObject) -> JsonObject:
    """Return the status of a SelfSubjectAccessReview: what the caller may do."""
    return review_access(access, spec | {"user": user.name, "groups": list(user.groups)})


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


REVIEWS = {kind.resource: kind for kind in (TOKEN_REVIEWS, SUBJECT_ACCESS_REVIEWS, SELF_REVIEWS)}
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
    if kind is SELF_REVIEWS:
        status = review_own_access(access, access.authenticate(call.headers), spec)  # the question names nobody
    else:
        status = _ANSWERS[kind.resource](access, spec)
    return json_answer(201, question | {"spec": spec, "status": status})
