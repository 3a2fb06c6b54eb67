"""Builds kube-apiserver from its Go modules, with etcd inside."""

from pathlib import Path

from tests.gobuild import BuildError, GoProgram, Report, to_stderr

__all__ = ["BuildError", "Report", "build_kube_apiserver", "to_stderr"]

_KUBE_APISERVER = GoProgram(
    name="kube-apiserver",
    sources=Path(__file__).parent,
    module="k8s.io/kubernetes",
    duration="4 minutes",
    version_variable="k8s.io/component-base/version.gitVersion",  # clients parse what /version answers
    otherwise=", or name ready binaries in TEST_ASSET_KUBE_APISERVER and TEST_ASSET_ETCD",
)


def build_kube_apiserver(*, report: Report = to_stderr) -> Path:
    """The server's binary; compiled when the user's cache does not hold it yet.

    Raises BuildError when there is no Go or it fails.
    """
    return _KUBE_APISERVER.build(report=report)
