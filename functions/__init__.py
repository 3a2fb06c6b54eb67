"""One module per trigger: decode, call core, encode."""
