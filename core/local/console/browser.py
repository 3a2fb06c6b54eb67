"""Opens the page for the person who started the command."""

from __future__ import annotations

import os
import sys
import webbrowser
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def can_open(environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether somebody looks on, at a screen of this machine.

    Over SSH and in CI there is none. A browser in the terminal would take the terminal away.
    """
    person = sys.stdout.isatty() and not environ.get("CI") and not environ.get("SSH_CONNECTION")
    return person and (sys.platform == "darwin" or bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY")))


def open_page(url: str) -> bool:
    """Ask the desktop's browser to show `url`; tell whether there is one."""
    return can_open() and webbrowser.open(url)
