"""The one room that speaks HTTP to the Kubernetes API."""
