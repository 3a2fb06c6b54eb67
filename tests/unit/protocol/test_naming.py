"""Names that every instance, of every version, must choose alike."""

import re

from hypothesis import assume, given
from hypothesis import strategies as st

from core.protocol.lease import lease_name
from core.protocol.remediation_request import fenced_name

FINGERPRINT = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
UID = "0d5b1f6e-8f0a-4c8e-9a4e-1b2c3d4e5f60"

fingerprints = st.text("0123456789abcdef", min_size=64, max_size=64)
uids = st.uuids().map(str)
versions = st.one_of(st.just(""), st.integers(1, 2**63).map(str))


def test_lease_is_named_as_in_the_seed():
    assert lease_name(FINGERPRINT) == "gw-lock-e3b0c44298fc1c14"


def test_names_never_change_from_one_release_to_the_next():
    """Golden values: two versions running side by side must collide on the same name."""
    assert fenced_name(FINGERPRINT, lease_uid=UID) == "rr-e3b0c44298fc-580de6cf"
    assert fenced_name(FINGERPRINT, lease_uid=UID, overwritten="4711") == "rr-e3b0c44298fc-31ae3b86"


@given(fingerprint=fingerprints, uid=uids, version=versions)
def test_name_has_the_form_of_the_seed(fingerprint, uid, version):
    name = fenced_name(fingerprint, lease_uid=uid, overwritten=version)
    assert re.fullmatch(r"rr-[0-9a-f]{12}-[0-9a-f]{8}", name)
    assert name.startswith(f"rr-{fingerprint[:12]}-")


@given(fingerprint=fingerprints, uid=uids, version=versions)
def test_same_version_of_a_lease_gives_the_same_name(fingerprint, uid, version):
    names = {fenced_name(fingerprint, lease_uid=uid, overwritten=version) for _ in range(2)}
    assert len(names) == 1


@given(fingerprint=fingerprints, one=uids, other=uids)
def test_another_lease_gives_another_name(fingerprint, one, other):
    assume(one != other)
    assert fenced_name(fingerprint, lease_uid=one) != fenced_name(fingerprint, lease_uid=other)


@given(fingerprint=fingerprints, tail=fingerprints, uid=uids)
def test_fingerprints_alike_in_twelve_characters_get_names_of_their_own(fingerprint, tail, uid):
    twin = fingerprint[:12] + tail[12:]
    assume(twin != fingerprint)
    assert fenced_name(fingerprint, lease_uid=uid) != fenced_name(twin, lease_uid=uid)


@given(fingerprint=fingerprints, uid=uids, versions=st.lists(st.integers(1, 2**63), max_size=40, unique=True))
def test_versions_written_over_one_after_the_other_never_give_a_name_again(fingerprint, uid, versions):
    names = [fenced_name(fingerprint, lease_uid=uid, overwritten=str(each)) for each in versions]
    names.append(fenced_name(fingerprint, lease_uid=uid))
    assert len(set(names)) == len(names)
