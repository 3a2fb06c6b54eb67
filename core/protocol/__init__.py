"""The protocol by which instances agree: rounds, then Lease, view, fenced name and counted status."""
