"""What people apply: built by the real kustomize, judged by Knative's validation, stored by a real API server."""
