"""Who may send signals: one gate before all three functions, with the ways that SLUICE_AUTH names."""
