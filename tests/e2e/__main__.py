"""Fetches the Alertmanager that the tests use, so that no test has to wait for it."""

import sys

from tests.e2e.alertmanager_binary import main

if __name__ == "__main__":
    sys.exit(main())
