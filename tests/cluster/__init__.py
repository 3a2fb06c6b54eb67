"""A whole cluster on one machine, without containers: Knative's own control plane before the functions.

kube-apiserver, some of kube-controller-manager's controllers, and Knative Serving and Eventing are the real
programs. What stands between them and the kernel is ours: a kubelet that runs pods as processes in network
namespaces (kubelet.py, pod.py, container.py), cluster IPs (services.py) and an ingress (ingress.py).
"""
