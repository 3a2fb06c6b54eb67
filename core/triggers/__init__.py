"""One module for each trigger: from what a function receives to results."""
