"""Who may send signals: the gate before every function, with the authenticators that SLUICE_AUTH names."""
