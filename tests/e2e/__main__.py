"""Builds the Alertmanager that the tests use, so that no test has to wait for it."""

import sys

from tests.e2e.alertmanager_programs import alertmanager
from tests.gobuild import print_built

if __name__ == "__main__":
    sys.exit(print_built(alertmanager))
