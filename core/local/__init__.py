"""What runs on a person's machine only, never deployed."""
