"""What knows no domain: time, waiting, the circuit breaker, memory, text."""
