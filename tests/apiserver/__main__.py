"""Builds the kube-apiserver that the tests use, so that no test has to wait for it."""

import sys

from tests.apiserver.binaries import find_binaries
from tests.gobuild import print_built

if __name__ == "__main__":
    sys.exit(print_built(lambda: find_binaries().kube_apiserver))
