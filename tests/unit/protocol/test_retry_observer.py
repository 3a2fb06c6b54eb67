"""RRs that were created and tries that failed stand in the log, for audits."""

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


def test_created_rr_is_logged_with_the_alert_and_the_object_that_it_is_for(caplog):
    caplog.set_level(logging.INFO)
    observer = LoggingObserver(logger=logging.getLogger("audit"))
    observer.on_created(signal(), "rr-1", seconds=0.01234)
    (record,) = caplog.records
    assert (record.levelname, record.getMessage()) == ("INFO", "RR rr-1 created")
    told = {key: vars(record)[key] for key in ("remediation_request", "fingerprint", "alertname", "duration_seconds")}
    assert told == {
        "remediation_request": "rr-1",
        "fingerprint": fingerprint(),
        "alertname": signal().signal_name,
        "duration_seconds": 0.012,
    }
    target = signal().target
    assert vars(record)["target"] == f"{target.namespace}/{target.kind}/{target.name}"
