"""Certificates for tests: an authority, and what it signs."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as files in PEM."""

    certificate: Path
    key: Path


class Authority:
    """A CA of its own, without the extensions that the strict X.509 profile wants: many clusters' are so."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = _name(name)
        self._key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(self._name, self._name, self._key).add_extension(x509.BasicConstraints(True, None), True)
        self.pem = builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
        self.file = folder / f"{name}.crt"
        self.file.write_text(self.pem)

    def sign(self, name: str) -> Pair:
        """Make a key and a certificate for it, good for 127.0.0.1 and ::1."""
        key = ec.generate_private_key(ec.SECP256R1())
        addresses = [x509.IPAddress(ipaddress.ip_address(text)) for text in ("127.0.0.1", "::1")]
        builder = _builder(_name(name), self._name, key)
        builder = builder.add_extension(x509.SubjectAlternativeName(addresses), False)
        certificate = self._folder / f"{name}.crt"
        certificate.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        pem = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        key_file = self._folder / f"{name}.key"
        key_file.write_bytes(key.private_bytes(serialization.Encoding.PEM, *pem))
        return Pair(certificate, key_file)

    def server_tls(self, *, ask_clients: bool = False) -> ssl.SSLContext:
        """TLS for a server; `ask_clients` wants a certificate of this authority from them."""
        pair = self.sign("server")
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self.file))
        tls.load_cert_chain(pair.certificate, pair.key)
        tls.verify_flags &= ~ssl.VERIFY_X509_STRICT  # Python 3.13 turns it on; Go's servers do not ask for so much
        tls.verify_mode = ssl.CERT_REQUIRED if ask_clients else ssl.CERT_NONE
        return tls


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
    )
