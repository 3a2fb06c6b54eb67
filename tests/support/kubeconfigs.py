"""A kubeconfig for an API server that nobody calls."""

from pathlib import Path


def write_kubeconfig(folder: Path) -> Path:
    """Write one into `folder` and return its path."""
    path = folder / "kubeconfig"
    path.write_text(
        "{current-context: t, contexts: [{name: t, context: {cluster: t}}],"
        ' clusters: [{name: t, cluster: {server: "http://127.0.0.1:1"}}]}'
    )
    return path
