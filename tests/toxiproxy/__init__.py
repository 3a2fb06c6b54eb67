"""Shopify's Toxiproxy, built once into the user's cache: it breaks TCP connections in ways that one asks for."""

from tests.toxiproxy.server import Link, Toxiproxy, build_toxiproxy

__all__ = ["Link", "Toxiproxy", "build_toxiproxy"]
