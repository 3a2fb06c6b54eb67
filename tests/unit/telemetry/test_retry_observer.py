"""Failed tries stand in the log, for audits."""

import logging

from core.protocol.creator import LoggingObserver
from tests.support.instances import fingerprint, signal


def test_failed_try_is_logged_with_what_it_was_for(caplog):
    observer = LoggingObserver(logger=logging.getLogger("audit"))
    observer.on_retry_attempt(signal(), 2, ValueError("etcd is down"))
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage() == "try 2 to create a RemediationRequest failed: etcd is down"
    assert (vars(record)["fingerprint"], vars(record)["attempt"]) == (fingerprint(), 2)
