"""A model of Sluice at scale: measured costs in, calls, CPU, instances and limits out (docs/scale.md)."""
