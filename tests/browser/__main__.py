"""The console's tests in headless Chromium: `make browser` runs all.

`make test` says `--short`: those that are not long, where there is a Chromium.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.browser.chromium import MISSING, find_chromium

FOLDER = Path(__file__).parent
LOCK = FOLDER.parents[1] / "requirements-browser.txt"


def main(arguments: list[str]) -> int:
    """Install what drives Chromium, and run the tests; with `--short` a machine without Chromium is no failure."""
    short = "--short" in arguments
    if not find_chromium():
        sys.stderr.write(f"the console's tests {'were not run' if short else 'cannot run'}: {MISSING}\n")
        return 0 if short else 1
    install = ("pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r", str(LOCK))
    chosen = ("-m", "not long") if short else ()
    tests = ("pytest", "-q", "-p", "no:cacheprovider", str(FOLDER), *chosen)
    return _python(install) or _python(tests)


def _python(module: tuple[str, ...]) -> int:
    return subprocess.run([sys.executable, "-m", *module], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
