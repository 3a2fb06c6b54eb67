"""Builds the kube-apiserver that the tests use, so that no test has to wait for it."""

import sys

from tests.apiserver.binaries import AssetError, find_binaries
from tests.apiserver.build import BuildError


def main() -> int:
    """Print where the binary is; 1 and a sentence when it cannot be had."""
    try:
        found = find_binaries()
    except (AssetError, BuildError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{found.kube_apiserver}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
