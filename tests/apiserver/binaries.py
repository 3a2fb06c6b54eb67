"""Which kube-apiserver the tests run: binaries that the environment names, else our own build."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.apiserver.build import BuildError, Report, build_kube_apiserver, to_stderr


class AssetError(BuildError):
    """The environment names a binary that cannot be used."""


@dataclass(frozen=True, kw_only=True)
class Binaries:
    """What to run. `etcd` is None when the server has etcd inside."""

    kube_apiserver: Path
    etcd: Path | None = None


def find_binaries(*, environ: Mapping[str, str] = os.environ, report: Report = to_stderr) -> Binaries:
    """Follow the variables of controller-runtime's envtest, else build.

    TEST_ASSET_KUBE_APISERVER and TEST_ASSET_ETCD name a binary each, KUBEBUILDER_ASSETS a folder with both.
    Raises AssetError for one that is not there, BuildError when the build fails.
    """
    kube_apiserver = _asset("TEST_ASSET_KUBE_APISERVER", "kube-apiserver", environ)
    if kube_apiserver is None:
        return Binaries(kube_apiserver=build_kube_apiserver(report=report))
    etcd = _asset("TEST_ASSET_ETCD", "etcd", environ)
    if etcd is None:
        raise AssetError(
            f"TEST_ASSET_KUBE_APISERVER is {kube_apiserver}, which needs etcd: set TEST_ASSET_ETCD too, "
            "or unset it to have both built."
        )
    return Binaries(kube_apiserver=kube_apiserver, etcd=etcd)


def _asset(variable: str, name: str, environ: Mapping[str, str]) -> Path | None:
    folder = environ.get("KUBEBUILDER_ASSETS")
    if environ.get(variable):
        asset = Path(environ[variable])
    elif folder:
        variable, asset = "KUBEBUILDER_ASSETS", Path(folder, name)
    else:
        return None
    if not os.access(asset, os.X_OK) or asset.is_dir():
        raise AssetError(f"{variable} leads to {asset}, which is no executable file; correct it or unset it.")
    return asset.absolute()
