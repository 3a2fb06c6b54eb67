"""Knative's own parts, built from its Go modules: what judges its objects, and what stands before a function."""
