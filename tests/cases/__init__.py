"""Alerts that real clusters send, with the right outcome: data, and a test that runs each on its own cluster."""
