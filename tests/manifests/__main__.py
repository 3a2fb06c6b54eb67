"""Builds Helm, so that no test has to wait for it."""

import sys

from tests.gobuild import print_built
from tests.manifests.helm import helm

if __name__ == "__main__":
    sys.exit(print_built(helm))
