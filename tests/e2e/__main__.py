"""Builds the Alertmanager that the tests use, so that no test has to wait for it."""

import sys

from tests.e2e.alertmanager_programs import alertmanager
from tests.gobuild import BuildError


def main() -> int:
    """Print where the binary is; 1 and a sentence when it cannot be had."""
    try:
        sys.stdout.write(f"{alertmanager()}\n")
    except BuildError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
