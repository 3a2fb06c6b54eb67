"""Builds Knative's parts, so that no test has to wait for them."""

import sys

from tests.gobuild import BuildError
from tests.knative.programs import broker_filter, kubectl, queue_proxy, validator


def main() -> int:
    """Print where the binaries are; 1 and a sentence when one cannot be had."""
    try:
        binaries = [build() for build in (queue_proxy, validator, kubectl, broker_filter)]
    except BuildError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write("".join(f"{binary}\n" for binary in binaries))
    return 0


if __name__ == "__main__":
    sys.exit(main())
