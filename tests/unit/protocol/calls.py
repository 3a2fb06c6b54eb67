"""The calls that these tests expect, as tests.support.wire describes them, and sequences that come often."""

from tests.support.instances import fingerprint

LOOK = "LIST remediationrequests"
LOOK_CONSISTENTLY = "LIST remediationrequests consistently"
READ = "GET remediationrequests"
CREATE = "CREATE remediationrequests"
COUNT = "PATCH remediationrequests/status"
PATCH = COUNT
"""The same call, where it tells of resolved alerts instead of counting."""
LOCK = "CREATE leases"
READ_LOCK = "GET leases"
UPDATE_LOCK = "UPDATE leases"
UNLOCK = "DELETE leases"

# What an Update of a Lease is for.
TAKE_OVER = UPDATE_LOCK
DONE = UPDATE_LOCK
ABANDONED = UPDATE_LOCK

NEW = [LOOK, LOCK, CREATE, DONE]
NEW_OF_SEVERAL = [LOOK, LOCK, CREATE, COUNT, DONE]
MEET = [LOOK, LOCK, READ_LOCK, READ]
"""Meets a Lease, and looks at the RR that it stands for."""
GO_ON = [TAKE_OVER, CREATE, DONE]

TWIN = fingerprint()[:12] + "0" * 52
"""A fingerprint whose RRs have names like ours."""
