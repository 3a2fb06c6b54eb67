"""A kubeconfig with a token is read without the kubernetes package, and says the same; all others are left to it."""

import json
from base64 import b64encode

import pytest

from core.kube import kubeconfig

PLAIN_USERS: list[dict[str, str]] = [{"token": "t"}, {"token": ""}, {}]


@pytest.fixture
def write(tmp_path):
    """Write one with a server, and return its path."""

    def write(*, user, cluster=None, server="https://127.0.0.1:6443/"):
        path = tmp_path / "kubeconfig"
        config = {
            "current-context": "b",
            "contexts": [
                {"name": "a", "context": {"cluster": "other", "user": "none"}},
                {"name": "b", "context": {"cluster": "c", "user": "u", "namespace": "ops"}},
            ],
            "clusters": [
                {"name": "other", "cluster": {"server": "http://127.0.0.1:1"}},
                {"name": "c", "cluster": {"server": server} | (cluster or {})},
            ],
            "users": [{"name": "u", "user": user}],
        }
        path.write_text(json.dumps(config))
        return path

    return write


@pytest.mark.parametrize("user", PLAIN_USERS)
@pytest.mark.parametrize("server", ["https://127.0.0.1:6443/", "http://127.0.0.1:8080", "https://a.example/k8s/c-1"])
async def test_plain_file_says_what_the_library_says(write, authority, user, server):
    path = write(user=user, server=server, cluster={"certificate-authority": str(authority.file)})

    plain, by_library = kubeconfig._plain(path), await kubeconfig._by_library(str(path), "")

    assert plain is not None
    assert (plain.server, plain.token, plain.certificate) == (by_library.server, by_library.token, False)
    assert (plain.tls is None) == (by_library.tls is None)
    if plain.tls and by_library.tls:
        assert plain.tls.get_ca_certs() == by_library.tls.get_ca_certs() != []
        assert (plain.tls.verify_mode, plain.tls.check_hostname) == (by_library.tls.verify_mode, True)


def test_authority_is_found_beside_the_file(write, authority):
    path = write(user={"token": "t"}, cluster={"certificate-authority": "ca.crt"})
    assert kubeconfig._plain(path) is None
    (path.parent / "ca.crt").write_text(authority.pem)
    login = kubeconfig._plain(path)
    assert login is not None
    assert login.tls is not None
    assert len(login.tls.get_ca_certs()) == 1


@pytest.mark.parametrize(
    ("user", "cluster"),
    [
        ({"exec": {"command": "cat"}}, {}),
        ({"exec": {"command": "cat"}, "token": "t"}, {}),
        ({"auth-provider": {"name": "oidc"}}, {}),
        ({"client-certificate": "a", "client-key": "b"}, {}),
        ({"token": "t", "client-certificate-data": "YQ=="}, {}),
        ({"tokenFile": "token"}, {}),
        ({"username": "u", "password": "p"}, {}),
        ({"token": 7}, {}),
        (None, {}),
        ({"token": "t"}, {"insecure-skip-tls-verify": True}),
        ({"token": "t"}, {"tls-server-name": "kubernetes"}),
        ({"token": "t"}, {"proxy-url": "http://127.0.0.1:3128"}),
        ({"token": "t"}, {"certificate-authority-data": "%%%"}),  # read leniently, this is no certificate at all
        ({"token": "t"}, {"certificate-authority-data": "===="}),
        ({"token": "t"}, {"certificate-authority-data": "Cg=="}),
        ({"token": "t"}, {"certificate-authority-data": ""}),
        ({"token": "t"}, {"certificate-authority": "/does/not/exist"}),
    ],
)
def test_anything_else_is_left_to_the_library(write, authority, user, cluster):
    trusted = {"certificate-authority-data": b64encode(authority.pem.encode()).decode()}
    assert kubeconfig._plain(write(user={"token": "t"}, cluster=trusted)) is not None
    assert kubeconfig._plain(write(user=user, cluster=({} if _names_authority(cluster) else trusted) | cluster)) is None


def _names_authority(cluster: dict[str, object]) -> bool:
    return any(key.startswith("certificate-authority") for key in cluster)
