"""What happens to a CloudEvent before the pipeline: opened, read, known from before, put aside."""
