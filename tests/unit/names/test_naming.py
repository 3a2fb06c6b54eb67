"""Names that every instance, of every version, must choose alike."""

import re

from hypothesis import assume, given
from hypothesis import strategies as st

from core.protocol.lease import lease_name
from core.protocol.remediation_request import fenced_name

FINGERPRINT = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
UID = "0d5b1f6e-8f0a-4c8e-9a4e-1b2c3d4e5f60"

fingerprints = st.text("0123456789abcdef", min_size=64, max_size=64)
uids = st.one_of(st.just(""), st.uuids().map(str))


def test_lease_is_named_as_in_the_seed():
    assert lease_name(FINGERPRINT) == "gw-lock-e3b0c44298fc1c14"


def test_names_never_change_from_one_release_to_the_next():
    """Golden values: two versions running side by side must collide on the same name."""
    assert fenced_name(FINGERPRINT) == "rr-e3b0c44298fc-23e61716"
    assert fenced_name(FINGERPRINT, head_uid=UID) == "rr-e3b0c44298fc-4e27261e"
    assert fenced_name(FINGERPRINT, head_uid=UID, salt=1) == "rr-e3b0c44298fc-ebc30d35"


def test_no_salt_is_no_part_of_the_name():
    assert fenced_name(FINGERPRINT, head_uid=UID, salt=0) == fenced_name(FINGERPRINT, head_uid=UID)


@given(fingerprint=fingerprints, head=uids, salt=st.integers(0, 5))
def test_name_has_the_form_of_the_seed(fingerprint, head, salt):
    name = fenced_name(fingerprint, head_uid=head, salt=salt)
    assert re.fullmatch(r"rr-[0-9a-f]{12}-[0-9a-f]{8}", name)
    assert name.startswith(f"rr-{fingerprint[:12]}-")


@given(fingerprint=fingerprints, head=uids, salt=st.integers(0, 5))
def test_same_thought_gives_the_same_name(fingerprint, head, salt):
    assert fenced_name(fingerprint, head_uid=head, salt=salt) == fenced_name(fingerprint, head_uid=head, salt=salt)


@given(fingerprint=fingerprints, head=uids, other=uids)
def test_another_head_gives_another_name(fingerprint, head, other):
    assume(head != other)
    assert fenced_name(fingerprint, head_uid=head) != fenced_name(fingerprint, head_uid=other)


@given(fingerprint=fingerprints, tail=fingerprints, head=uids)
def test_fingerprints_alike_in_twelve_characters_get_names_of_their_own(fingerprint, tail, head):
    twin = fingerprint[:12] + tail[12:]
    assume(twin != fingerprint)
    assert fenced_name(fingerprint, head_uid=head) != fenced_name(twin, head_uid=head)


@given(fingerprint=fingerprints, heads=st.lists(st.uuids().map(str), min_size=1, max_size=40, unique=True))
def test_chain_of_generations_never_meets_itself(fingerprint, heads):
    names = [fenced_name(fingerprint, head_uid=head) for head in ["", *heads]]
    assert len(set(names)) == len(names)


@given(fingerprint=fingerprints, head=uids)
def test_salts_lead_to_free_names(fingerprint, head):
    names = [fenced_name(fingerprint, head_uid=head, salt=salt) for salt in range(10)]
    assert len(set(names)) == len(names)
