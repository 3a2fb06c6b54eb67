"""The function as in production, on the embedded Kubernetes API or on a cluster of yours."""

from core.local.run.serve import WAIT_SECONDS, Run

__all__ = ["WAIT_SECONDS", "Run"]
