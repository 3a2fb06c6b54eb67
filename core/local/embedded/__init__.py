"""A Kubernetes API in this process: for a first run, for tests and for simulation, never deployed.

Strict where the gateway depends on it: resourceVersion conflicts, preconditions, the status subresource, CRD
schemas, field selectors, reads that lag, and the Status objects of errors. tests/contract holds it to what a
real kube-apiserver answers.
"""

from core.local.embedded.access import Access, Rule, User
from core.local.embedded.api import EmbeddedApi, EmbeddedServer, EmbeddedServerError
from core.local.embedded.calls import Answer, Call
from core.local.embedded.kinds import load_crd
from core.local.embedded.schemas import UnsupportedSchemaError
from core.local.embedded.store import Lag

__all__ = [
    "Access",
    "Answer",
    "Call",
    "EmbeddedApi",
    "EmbeddedServer",
    "EmbeddedServerError",
    "Lag",
    "Rule",
    "UnsupportedSchemaError",
    "User",
    "load_crd",
]
