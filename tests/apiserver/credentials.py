"""What the server signs with, whom it knows, and what a client needs to reach it."""

import base64
import csv
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec


@dataclass(frozen=True, kw_only=True)
class StaticToken:
    """One line of --token-auth-file."""

    user: str
    groups: tuple[str, ...]
    token: str


def new_token(user: str, *, groups: Sequence[str]) -> StaticToken:
    """A token nobody can guess: other processes of this machine reach loopback too."""
    return StaticToken(user=user, groups=tuple(groups), token=secrets.token_urlsafe(24))


def write_token_file(path: Path, tokens: Sequence[StaticToken]) -> None:
    """CSV: token, user, uid, groups (kube-apiserver's --token-auth-file)."""
    with path.open("w", newline="") as file:
        csv.writer(file).writerows((each.token, each.user, each.user, ",".join(each.groups)) for each in tokens)


def write_service_account_key(path: Path) -> None:
    """The private key that signs service account tokens.

    In the SEC 1 form (EC PRIVATE KEY): from PKCS #8 the server would not derive the public key.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )


def kubeconfig(*, url: str, ca_file: Path, token: str, namespace: str) -> str:
    """One cluster, user and context; JSON, which is YAML too. The certificate is inside, not a path."""
    ca_data = base64.b64encode(ca_file.read_bytes()).decode()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": namespace}}],
        "clusters": [{"name": "test", "cluster": {"server": url, "certificate-authority-data": ca_data}}],
        "users": [{"name": "test", "user": {"token": token}}],
    }
    return json.dumps(config, indent=2) + "\n"
