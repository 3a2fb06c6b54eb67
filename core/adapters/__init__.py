"""Payloads in, batches of signals out: one module per sender."""
