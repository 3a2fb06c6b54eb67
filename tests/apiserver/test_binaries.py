"""Ready binaries are used where the environment names them, as with controller-runtime's envtest."""

from pathlib import Path

import pytest

from tests.apiserver.binaries import AssetError, Binaries, find_binaries


@pytest.fixture
def assets(tmp_path: Path) -> Path:
    for name in ("kube-apiserver", "etcd"):
        (tmp_path / name).touch(mode=0o755)
    return tmp_path


def test_each_binary_can_be_named(assets: Path) -> None:
    environ = {
        "TEST_ASSET_KUBE_APISERVER": str(assets / "kube-apiserver"),
        "TEST_ASSET_ETCD": str(assets / "etcd"),
    }
    assert find_binaries(environ=environ) == Binaries(kube_apiserver=assets / "kube-apiserver", etcd=assets / "etcd")


def test_a_folder_with_both_can_be_named(assets: Path) -> None:
    environ = {"KUBEBUILDER_ASSETS": str(assets)}
    assert find_binaries(environ=environ) == Binaries(kube_apiserver=assets / "kube-apiserver", etcd=assets / "etcd")


def test_named_binary_comes_before_the_folder(assets: Path) -> None:
    own = assets / "own-etcd"
    own.touch(mode=0o755)
    environ = {"KUBEBUILDER_ASSETS": str(assets), "TEST_ASSET_ETCD": str(own)}
    assert find_binaries(environ=environ).etcd == own


def test_server_without_etcd_is_refused(assets: Path) -> None:
    with pytest.raises(AssetError, match="needs etcd: set TEST_ASSET_ETCD too"):
        find_binaries(environ={"TEST_ASSET_KUBE_APISERVER": str(assets / "kube-apiserver")})


@pytest.mark.parametrize("broken", ["missing", "folder", "not executable"])
def test_asset_that_cannot_run_is_refused(assets: Path, broken: str) -> None:
    binary = assets / "kube-apiserver"
    binary.unlink()
    if broken == "folder":
        binary.mkdir()
    elif broken == "not executable":
        binary.touch(mode=0o644)
    with pytest.raises(AssetError, match=f"KUBEBUILDER_ASSETS leads to {binary}, which is no executable file"):
        find_binaries(environ={"KUBEBUILDER_ASSETS": str(assets)})
