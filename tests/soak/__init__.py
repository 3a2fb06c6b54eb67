"""`make soak`: hours of mixed load in minutes' time, and whether anything grows meanwhile."""
