from typing import Any

import pytest

from tests.contract.client import Client, Server
from tests.contract.objects import GROUP, LEASE_GROUP, cause, failure

TOKENS = "/apis/authentication.k8s.io/v1/tokenreviews"
ACCESS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
MAY_CREATE = {"apiGroups": [GROUP], "resources": ["remediationrequests"], "verbs": ["create", "get"]}


def cannot(user: str, verb: str, resource: str, group: str, namespace: str = "") -> str:
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    return f'User "{user}" cannot {verb} resource "{resource}" in API group "{group}" {where}'


class TestAuthentication:
    async def test_a_wrong_token_is_refused(self, server: Server, leases: str):
        reply = await server.with_token("wrong").get(leases)
        assert reply.status == 401
        assert reply.body == failure(401, "Unauthorized", "Unauthorized")

    async def test_no_token_is_nobody(self, server: Server, leases: str, namespace: str):
        reply = await server.with_token("").get(leases)
        why = cannot("system:anonymous", "list", "leases", LEASE_GROUP, namespace)
        message = f"leases.coordination.k8s.io is forbidden: {why}"
        assert reply.status == 403
        assert reply.body == failure(403, "Forbidden", message, group=LEASE_GROUP, kind="leases")

    async def test_nobody_may_look_at_health_and_version(self, server: Server):
        anybody = server.with_token("")
        assert (await anybody.get("/readyz")).body == "ok"
        assert (await anybody.get("/livez")).body == "ok"
        assert (await anybody.get("/version")).body["gitVersion"]

    @pytest.mark.parametrize("path", ["/apis", "/nonsense"])
    async def test_nobody_may_look_further(self, server: Server, path: str):
        reply = await server.with_token("").get(path)
        message = f'forbidden: User "system:anonymous" cannot get path "{path}"'
        assert reply.body == failure(403, "Forbidden", message, details={})


class TestAuthorization:
    @pytest.mark.parametrize(
        ("method", "verb", "suffix", "resource", "name"),
        [
            ("GET", "list", "", "remediationrequests", ""),
            ("GET", "get", "/rr-1", "remediationrequests", "rr-1"),
            ("POST", "create", "", "remediationrequests", ""),
            ("PUT", "update", "/rr-1", "remediationrequests", "rr-1"),
            ("PATCH", "patch", "/rr-1/status", "remediationrequests/status", "rr-1"),
            ("DELETE", "delete", "/rr-1", "remediationrequests", "rr-1"),
        ],
    )
    async def test_without_a_rule_all_is_forbidden(  # noqa: PLR0917
        self,
        server: Server,
        namespace: str,
        rrs: str,
        method: str,
        verb: str,
        suffix: str,
        resource: str,
        name: str,
    ):
        user, token = await server.new_user(namespace)
        reply = await server.with_token(token).call(method, rrs + suffix, {})
        subject = f'remediationrequests.{GROUP} "{name}"' if name else f"remediationrequests.{GROUP}"
        message = f"{subject} is forbidden: {cannot(user, verb, resource, GROUP, namespace)}"
        details = {"group": GROUP, "kind": "remediationrequests"} | ({"name": name} if name else {})
        assert reply.status == 403
        assert reply.body == failure(403, "Forbidden", message, **details)

    async def test_in_all_namespaces_too(self, server: Server, namespace: str):
        user, token = await server.new_user(namespace, MAY_CREATE)
        reply = await server.with_token(token).get("/api/v1/pods")
        message = f"pods is forbidden: {cannot(user, 'list', 'pods', '')}"
        assert reply.body == failure(403, "Forbidden", message, kind="pods")

    async def test_watching_is_a_verb_of_its_own(self, server: Server, namespace: str, rrs: str):
        user, token = await server.new_user(namespace, MAY_CREATE | {"verbs": ["list"]})
        reply = await server.with_token(token).get(rrs, watch="true")
        assert cannot(user, "watch", "remediationrequests", GROUP, namespace) in reply.body["message"]

    async def test_a_rule_allows_what_it_names_and_no_more(self, server: Server, namespace: str, rrs: str, leases: str):
        _, token = await server.new_user(namespace, MAY_CREATE)
        client = server.with_token(token)
        assert (await client.get(f"{rrs}/missing")).status == 404
        assert (await client.get(rrs)).status == 403
        assert (await client.get(f"{rrs}/missing/status")).status == 403
        assert (await client.get(f"{leases}/missing")).status == 403
        assert (await client.get(rrs.replace(namespace, "default") + "/missing")).status == 403

    async def test_who_is_known_may_look_around(self, server: Server, namespace: str):
        _, token = await server.new_user(namespace)
        client = server.with_token(token)
        assert (await client.get("/apis")).status == 200
        assert (await client.get(f"/apis/{GROUP}/v1alpha1")).status == 200
        assert (await client.get("/nonsense")).status == 403


class TestTokenReview:
    @staticmethod
    def review(**spec: Any) -> dict[str, Any]:
        return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}

    async def test_names_the_user_of_a_token(self, server: Server, api: Client, namespace: str):
        user, token = await server.new_user(namespace)
        reply = await api.post(TOKENS, self.review(token=token))
        assert reply.status == 201
        assert (reply.body["kind"], reply.body["spec"]) == ("TokenReview", {"token": token})
        status = reply.body["status"]
        assert status["authenticated"] is True
        assert status["user"]["username"] == user
        assert status["user"]["uid"]
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"]
        assert status["user"]["groups"] == groups
        assert status["audiences"] == ["https://kubernetes.default.svc"]

    async def test_of_an_unknown_token(self, api: Client):
        reply = await api.post(TOKENS, self.review(token="wrong"))
        assert reply.status == 201
        assert reply.body["status"] == {"user": {}, "error": "invalid bearer token"}

    async def test_for_another_audience(self, server: Server, api: Client, namespace: str):
        _, token = await server.new_user(namespace)
        status = (await api.post(TOKENS, self.review(token=token, audiences=["other"]))).body["status"]
        assert "authenticated" not in status
        assert status["user"] == {}

    async def test_without_a_token_is_refused(self, api: Client):
        reply = await api.post(TOKENS, self.review())
        message = "token is required for TokenReview in authentication"
        assert reply.body == failure(400, "BadRequest", message)

    async def test_needs_permission(self, server: Server, namespace: str):
        user, token = await server.new_user(namespace)
        reply = await server.with_token(token).post(TOKENS, self.review(token=token))
        group = "authentication.k8s.io"
        message = f"tokenreviews.{group} is forbidden: {cannot(user, 'create', 'tokenreviews', group)}"
        assert reply.body == failure(403, "Forbidden", message, group=group, kind="tokenreviews")

    async def test_can_only_be_created(self, api: Client):
        message = "the server does not allow this method on the requested resource"
        assert (await api.get(TOKENS)).body == failure(405, "MethodNotAllowed", message, details={})


class TestSubjectAccessReview:
    @staticmethod
    def review(**spec: Any) -> dict[str, Any]:
        return {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}

    @staticmethod
    def resource(namespace: str, verb: str, resource: str = "remediationrequests", **more: str) -> dict[str, str]:
        return {"namespace": namespace, "verb": verb, "group": GROUP, "resource": resource, **more}

    async def test_allows_what_a_rule_allows(self, server: Server, api: Client, namespace: str):
        user, _ = await server.new_user(namespace, MAY_CREATE)
        question = self.review(user=user, resourceAttributes=self.resource(namespace, "create"))
        reply = await api.post(ACCESS, question)
        assert reply.status == 201
        assert reply.body["spec"] == question["spec"]
        assert reply.body["status"]["allowed"] is True

    @pytest.mark.parametrize(
        "asked",
        [
            {"verb": "delete"},
            {"verb": "create", "subresource": "status"},
            {"verb": "create", "resource": "leases"},
            {"verb": "create", "namespace": "default"},
            {"verb": "create", "group": "other"},
        ],
    )
    async def test_allows_no_more(self, server: Server, api: Client, namespace: str, asked: dict[str, str]):
        user, _ = await server.new_user(namespace, MAY_CREATE)
        attributes = self.resource(namespace, "create") | asked
        status = (await api.post(ACCESS, self.review(user=user, resourceAttributes=attributes))).body["status"]
        assert status == {"allowed": False}

    async def test_administrators_may_all(self, api: Client, namespace: str):
        attributes = self.resource(namespace, "delete")
        question = self.review(user="anybody", groups=["system:masters"], resourceAttributes=attributes)
        assert (await api.post(ACCESS, question)).body["status"]["allowed"] is True

    @pytest.mark.parametrize(("path", "allowed"), [("/version", True), ("/apis", True), ("/metrics", False)])
    async def test_of_paths(self, api: Client, path: str, allowed: bool):
        attributes = {"path": path, "verb": "get"}
        question = self.review(user="a", groups=["system:authenticated"], nonResourceAttributes=attributes)
        assert (await api.post(ACCESS, question)).body["status"]["allowed"] is allowed

    @pytest.mark.parametrize(
        ("spec", "wrong"),
        [
            (
                {"user": "a"},
                cause(
                    "spec.resourceAttributes",
                    "Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified",
                ),
            ),
            (
                {"resourceAttributes": {"verb": "get"}},
                cause("spec.user", 'Invalid value: "": at least one of user or group must be specified'),
            ),
            (
                {
                    "user": "a",
                    "resourceAttributes": {"verb": "get"},
                    "nonResourceAttributes": {"path": "/", "verb": "get"},
                },
                cause(
                    "spec.nonResourceAttributes",
                    'Invalid value: {"Path":"/","Verb":"get"}: '
                    "cannot be specified in combination with resourceAttributes",
                ),
            ),
        ],
    )
    async def test_that_is_incomplete_is_refused(self, api: Client, spec: Any, wrong: Any):
        reply = await api.post(ACCESS, self.review(**spec))
        message = f'.authorization.k8s.io "" is invalid: {wrong["field"]}: {wrong["message"]}'
        expected = failure(422, "Invalid", message, group="authorization.k8s.io", causes=[wrong])
        assert reply.body == expected
