"""What the parts of an object's identity look like: senders write them, and they become parts of a URL."""

import re

KIND = re.compile(r"\A[A-Za-z][A-Za-z0-9]{0,62}\Z")
API_VERSION = re.compile(r"\A([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[a-z0-9]{1,63}\Z")
NAMESPACE = re.compile(r"\A[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z")
NAME = re.compile(r"\A(?!\.{1,2}\Z)[^/%?#\s\x00-\x1f\x7f]{1,253}\Z")
"""What the API server calls a path segment, within ASCII's rules for URLs: some kinds take no DNS names, such as
roles with their colons."""
