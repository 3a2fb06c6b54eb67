"""The command `python -m` of a package that builds programs: where they are, or one sentence."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tests.gobuild.toolchain import BuildError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def print_built(*builders: Callable[[], Path]) -> int:
    """Build each program and print where it is; 1 and a sentence where one cannot be had."""
    try:
        built = [build() for build in builders]
    except BuildError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write("".join(f"{binary}\n" for binary in built))
    return 0
