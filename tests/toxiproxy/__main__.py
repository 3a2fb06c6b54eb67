"""Builds Toxiproxy, so that no test has to wait for it."""

import sys

from tests.gobuild import print_built
from tests.toxiproxy.server import build_toxiproxy

if __name__ == "__main__":
    sys.exit(print_built(build_toxiproxy))
