"""Deterministic simulation: several gateways, one API server, every choice drawn from one seed."""
