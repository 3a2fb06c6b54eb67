"""Sentences of other programs lose their addresses, and nothing else."""

import pytest

from core.common.text import without_addresses


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            'failed calling webhook "x.example": Post "https://x.ns.svc:443/check?timeout=10s": '
            "dial tcp 10.96.0.7:443: connect: connection refused",
            'failed calling webhook "x.example": Post "(an address)": '
            "dial tcp (an address): connect: connection refused",
        ),
        ("dial tcp [::1]:2379: refused", "dial tcp (an address): refused"),
        ("dial tcp [fe80::1%eth0]:2379: refused", "dial tcp (an address): refused"),
        ("read udp fd00:10::a: refused", "read udp (an address) refused"),
        ("from 2001:db8:0:0:0:0:0:1 to 192.0.2.1", "from (an address) to (an address)"),
        ("lookup api.shop.internal on 10.0.0.10:53: no such host", "lookup (an address) on (an address): no such host"),
        ("lookup api: no such host", "lookup (an address): no such host"),
        (
            "x509: certificate is valid for kubernetes, 10.0.0.1, not api.shop.internal",
            "x509: certificate is valid for (an address)",
        ),
        ("the leader is etcd-0.etcd:2380", "the leader is (an address)"),
        ("HTTPS://API.SHOP:6443 and localhost:6443", "(an address) and (an address)"),
    ],
)
def test_address_is_taken_out(said, told):
    assert without_addresses(said) == told


@pytest.mark.parametrize(
    "said",
    [
        'RemediationRequest.remediation.kubernaut.ai "rr-0123456789ab" is invalid: spec.severity: Too long: may not be '
        "more than 50 bytes",
        'remediationrequests.remediation.kubernaut.ai is forbidden: User "system:serviceaccount:sluice-system:gateway" '
        'cannot list resource "remediationrequests" in API group "remediation.kubernaut.ai"',
        "2026-11-26T10:00:00Z is no time, and neither is 10:00:00",
        "etcdserver: leader changed",
        "exceeded quota: rrs, requested: count/rrs=1, used: 5, limited: 5",
        'namespaces "nowhere" not found',
        "",
    ],
)
def test_sentence_without_an_address_stays_as_it_is(said):
    assert without_addresses(said) == said
