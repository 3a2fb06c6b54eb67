"""A real kube-apiserver for tests, built once into a user cache and run on loopback with its own data."""

from tests.apiserver.binaries import AssetError, Binaries, find_binaries
from tests.apiserver.build import BuildError, build_kube_apiserver
from tests.apiserver.process import ServerError
from tests.apiserver.rest import Answer
from tests.apiserver.server import KubeApiserver

__all__ = [
    "Answer",
    "AssetError",
    "Binaries",
    "BuildError",
    "KubeApiserver",
    "ServerError",
    "build_kube_apiserver",
    "find_binaries",
]
