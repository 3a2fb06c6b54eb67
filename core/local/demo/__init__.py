"""A realistic burst at a running function, and a look at what became of it."""

from core.local.demo.burst import BurstPlan, make_burst
from core.local.demo.play import Demo, harmless_url

__all__ = ["BurstPlan", "Demo", "harmless_url", "make_burst"]
