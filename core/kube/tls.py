"""TLS to the API server."""

import ssl


def trust(*, cafile: str | None = None, cadata: str | None = None) -> ssl.SSLContext:
    """Return a context that trusts these certificates alone (PEM), or the system's where none are given.

    Raises:
        OSError: `cafile` cannot be read; ssl.SSLError where one of them is no certificate.
    """
    # Cluster certificates are often older than the strict X.509 profile that Python 3.13 turns on.
    tls = ssl.create_default_context(cafile=cafile, cadata=cadata)
    tls.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return tls
