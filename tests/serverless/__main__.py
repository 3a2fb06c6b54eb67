"""Installs the Serverless Framework's CLI, so that no test has to wait for it."""

import sys

from tests.serverless.framework import main

if __name__ == "__main__":
    sys.exit(main())
