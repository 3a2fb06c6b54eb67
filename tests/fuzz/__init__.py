"""Anything may come: arbitrary and mutated bodies, events, settings and API server answers."""
