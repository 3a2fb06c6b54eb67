"""What arrives: signals and batches, one adapter for each sender, and what labels say."""
