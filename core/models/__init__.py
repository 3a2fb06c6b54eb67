"""Values the rooms hand to each other: signals, RemediationRequests, answers."""
