"""Sluice's tests: unit, contract, simulation, e2e, bench, and the real kube-apiserver they run on."""
