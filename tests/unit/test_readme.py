from pathlib import Path

import pytest

from core.settings import Settings

README = (Path(__file__).parents[2] / "README.md").read_text()
COMPUTED = {"namespace": "`POD_NAMESPACE`, the service account's, else `sluice-system`"}


def row(name: str) -> str:
    field = Settings.model_fields[name]
    default = COMPUTED.get(name) or (f"`{field.default}`" if field.default != "" else "empty")
    return f"| `SLUICE_{name.upper()}` | {default} | {field.description} |"


@pytest.mark.parametrize("name", Settings.model_fields)
def test_setting_stands_in_the_readme_with_its_default_and_meaning(name):
    assert row(name) in README


def test_readme_lists_no_setting_that_does_not_exist():
    listed = [line.split("`")[1] for line in README.splitlines() if line.startswith("| `SLUICE_")]
    assert listed == [f"SLUICE_{name.upper()}" for name in Settings.model_fields]
