"""What the cluster knows about a signal's target: who owns it, and whether it is ours to remedy."""
