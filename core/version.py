"""The one place of the version.

The build reads it from here (pyproject.toml), since a function deployed from source has no metadata of a
distribution to ask.
"""

VERSION = "0.1.0"
"""Shown by `sluice --version`, in User-Agent, the OpenAPI description and `gateway_build_info`."""

USER_AGENT = f"sluice/{VERSION}"
"""User-Agent (RFC 9110, section 10.1.5) of every call to the API server."""
