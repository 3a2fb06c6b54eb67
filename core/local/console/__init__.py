"""`sluice console`: RRs as they come, on one page on loopback. It reads only, and is never deployed."""

from core.local.console.server import CONSOLE_PORT, Console, open_page

__all__ = ["CONSOLE_PORT", "Console", "open_page"]
