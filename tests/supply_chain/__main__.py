"""`python -m tests.supply_chain licenses` and `... audit REPORT`: about requirements.txt alone; `... base` and
`... browser`: what the lock files of these names are made of."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

REQUIREMENTS = Path(__file__).parents[2] / "requirements.txt"
_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^ ;\\]+)", re.MULTILINE)


def pinned() -> dict[str, str]:
    """Versions by name, as a deployment installs them."""
    return dict(_PIN.findall(REQUIREMENTS.read_text()))


def licence(name: str) -> str:
    """What a package says of its licence."""
    try:
        about = metadata(name)
    except PackageNotFoundError:
        return "not installed here (another platform's)"
    named = next((each for field in ("License-Expression", "License") for each in about.get_all(field) or ()), "")
    classified = [
        each.rpartition(" :: ")[2] for each in about.get_all("Classifier") or () if each.startswith("License ::")
    ]
    return named.strip().splitlines()[0] if named.strip() else ", ".join(classified) or "not said"


def licences() -> list[str]:
    return [f"{name}=={version}: {licence(name)}" for name, version in pinned().items()]


def audited(report: Any) -> tuple[list[str], int]:
    """What pip-audit's JSON report says, and the exit code: 1 for a weakness, 2 where it does not know.

    pip-audit itself ends with 0 where its database knows nothing of a package, or cannot be had.
    """
    packages = report["dependencies"]
    weak = [
        f"{each['name']} {each['version']}: {weakness['id']}, mended in {', '.join(weakness['fix_versions']) or 'none'}"
        for each in packages
        for weakness in each.get("vulns", ())
    ]
    unknown = [each["name"] for each in packages if "skip_reason" in each]
    lines = [*weak, f"{len(packages) - len(unknown)} of {len(packages)} packages were looked up"]
    if unknown or not packages:
        lines.append("THIS IS NO ALL-CLEAR: the database of weaknesses could not be had for the others")
    return lines, 1 if weak else 2 if unknown or not packages else 0


def base() -> list[str]:
    """What the image for a cluster needs: all but what only Google's platform and kubeconfigs with plugins load."""
    project = tomllib.loads((REQUIREMENTS.parent / "pyproject.toml").read_text())["project"]
    return [each for each in project["dependencies"] if not each.startswith(("kubernetes", "google-cloud-"))]


def browser() -> list[str]:
    """What the tests in a browser need besides."""
    project = tomllib.loads((REQUIREMENTS.parent / "pyproject.toml").read_text())
    return [str(each) for each in project["dependency-groups"]["browser"]]


def main(arguments: list[str]) -> int:
    lists = {"licenses": licences, "base": base, "browser": browser}
    if len(arguments) == 1 and arguments[0] in lists:
        print("\n".join(lists[arguments[0]]()))  # noqa: T201
        return 0
    try:
        report = json.loads(Path(arguments[1]).read_text())
    except (OSError, ValueError):
        report = {"dependencies": []}
    lines, code = audited(report)
    print("\n".join(lines))  # noqa: T201
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
