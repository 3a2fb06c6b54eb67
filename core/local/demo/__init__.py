"""A realistic burst at a running function, and a look at what became of it."""

from core.local.demo.burst import BurstPlan
from core.local.demo.play import Demo

__all__ = ["BurstPlan", "Demo"]
