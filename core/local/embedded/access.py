"""Who calls, and what they may do: bearer tokens and rules in the manner of RBAC."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from core.local.embedded.paths import ResourcePath
from core.local.embedded.statuses import ApiError, Target, forbidden, forbidden_path, unauthorized

_AUTHENTICATED = "system:authenticated"
_MASTERS = "system:masters"
_PUBLIC_PATHS = frozenset(("/healthz", "/livez", "/readyz", "/version"))
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
        """Whether the user may do that with a resource."""
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
