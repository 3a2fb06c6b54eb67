"""Whole processes: the function as production starts it, a real kube-apiserver, a real Alertmanager."""
