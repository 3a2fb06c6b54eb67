"""Builds Helm, so that no test has to wait for it."""

import sys

from tests.gobuild import BuildError
from tests.manifests.helm import helm


def main() -> int:
    """Print where the binary is; 1 and a sentence when it cannot be had."""
    try:
        sys.stdout.write(f"{helm()}\n")
    except BuildError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
