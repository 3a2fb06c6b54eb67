"""Remediation requests as people look at them: `sluice get`, `watch`, `describe` and `phase`."""
