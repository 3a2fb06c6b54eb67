"""Builds Knative's parts, so that no test has to wait for them."""

import sys

from tests.gobuild import print_built
from tests.knative.programs import broker_filter, kubectl, queue_proxy, validator

if __name__ == "__main__":
    sys.exit(print_built(queue_proxy, validator, kubectl, broker_filter))
