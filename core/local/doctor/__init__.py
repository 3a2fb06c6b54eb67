"""`sluice doctor`: looks at everything between a sender and an RR, and says what is wrong and what helps."""

from core.local.doctor.examination import examine
from core.local.doctor.findings import Finding, Level
from core.local.doctor.visit import Visit

__all__ = ["Finding", "Level", "Visit", "examine"]
