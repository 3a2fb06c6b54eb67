"""`sluice config`: every setting as it is in effect, and where its value comes from."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from core.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PREFIX = "SLUICE_"


@dataclass(frozen=True, slots=True)
class EffectiveSetting:
    """One setting. `source` is the variable it comes from, or `default`, or `service account`."""

    variable: str
    value: Any
    source: str
    meaning: str

    def as_object(self) -> dict[str, Any]:
        """Return it for JSON and YAML."""
        return asdict(self)


def effective_settings(settings: Settings, *, environ: Mapping[str, str] = os.environ) -> list[EffectiveSetting]:
    """Return all settings in the order of the documentation."""
    return [
        EffectiveSetting(
            variable=_PREFIX + name.upper(),
            value=getattr(settings, name),
            source=_source(name, settings, environ),
            meaning=field.description,
        )
        for name, field in Settings.fields.items()
    ]


def settings_table(settings: Sequence[EffectiveSetting]) -> Table:
    """Return the table that people read."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for column in ("VARIABLE", "VALUE", "FROM"):
        table.add_column(column, no_wrap=True)
    for each in settings:
        style = "dim" if each.source == "default" else ""
        table.add_row(*map(Text, (each.variable, _shown(each.value), each.source)), style=style)
    return table


def _source(name: str, settings: Settings, environ: Mapping[str, str]) -> str:
    variable = _PREFIX + name.upper()
    if any(key.upper() == variable and text for key, text in environ.items()):
        return variable
    if name == "namespace" and environ.get("POD_NAMESPACE"):
        return "POD_NAMESPACE"
    default = Settings.fields[name].default
    plain = "sluice-system" if name == "namespace" else default
    return "default" if getattr(settings, name) == plain else "service account"


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
