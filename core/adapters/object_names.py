r"""What the parts of an object's identity look like: they come from senders, and become parts of a URL.

The anchors are \A and \Z, for $ lets a line feed pass.
"""

NAMESPACE = r"\A[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\z"
