"""What the gateway relies on of the Kubernetes API: the same tests on the embedded one and on a real kube-apiserver."""
