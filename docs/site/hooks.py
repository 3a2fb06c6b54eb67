"""What MkDocs does not do by itself: pages beside docs/, links out of it, and reference pages made from the code.

README.md is the site's first page. A file that a page links to and that is not in docs/ comes along below `project/`,
so that no link of the site needs a repository on the web.
"""  # noqa: INP001 - MkDocs loads it by its path

from __future__ import annotations

import ast
import inspect
import json
import posixpath
import re
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from typer.main import get_command

import core
from core.connecting import Connected
from core.local.commands import app
from core.triggers.descriptions import ALERTMANAGER, KUBERNETES_EVENT
from functions._openapi import document

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

_ROOT = Path(__file__).parents[2]
_CODE = re.compile(r"(^ *```.*?^ *```$)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<=\]\()(?!\w+:)([^)\s#]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the first page, what pages link to outside docs/, and the pages made from the code."""
    files.append(File.generated(config, "index.md", content=(_ROOT / "README.md").read_text()))
    files.append(File.generated(config, "assets/mermaid.js", content=_mermaid()))
    files.append(File.generated(config, "reference/commands.md", content=_commands()))
    files.append(File.generated(config, "reference/openapi.md", content=_openapi()))
    files.append(File.generated(config, "reference/python.md", content=_python()))
    waiting = [file for file in files if file.is_documentation_page()]
    while waiting:
        page = waiting.pop()
        for target in _targets(page.content_string, _path(page.src_uri)):
            uri = _uri(target)
            if not uri.startswith("project/") or files.get_file_from_path(uri):
                continue
            found = _ROOT / target
            content = _listing(found) if found.is_dir() else found.read_text()
            new = File.generated(config, uri, content=content)
            files.append(new)
            if new.is_documentation_page():
                waiting.append(new)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - MkDocs' own
    """Turn links between files of the project into links between pages of the site."""
    here = _path(page.file.src_uri)

    def moved(link: re.Match[str]) -> str:
        return posixpath.relpath(_uri(_resolved(link[1], here)), posixpath.dirname(page.file.src_uri) or ".")

    return "".join(
        part if part.lstrip().startswith("```") else _LINK.sub(moved, part) for part in _CODE.split(markdown)
    )


def _mermaid() -> str:
    """Mermaid's script as a package of Python's carries it; that package itself is not loaded."""
    found = find_spec("mermaidx")
    if found is None or found.origin is None:
        raise PluginError("the package mermaidx is not installed: run make setup")
    return (Path(found.origin).parent / "assets" / "mermaid.js").read_text(encoding="utf-8")


def _path(uri: str) -> str:
    """Where a page of the site stands in the project."""
    if uri == "index.md":
        return "README.md"
    return uri.removeprefix("project/") if uri.startswith("project/") else f"docs/{uri}"


def _uri(path: str) -> str:
    """Where a file of the project stands in the site."""
    if path == "README.md":
        return "index.md"
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return f"project/{path}/index.md" if (_ROOT / path).is_dir() else f"project/{path}"


def _targets(markdown: str, here: str) -> Iterator[str]:
    """The files and folders of the project that a page links to."""
    for part in _CODE.split(markdown):
        if not part.lstrip().startswith("```"):
            for link in _LINK.findall(part):
                target = _resolved(link, here)
                if (_ROOT / target).exists():
                    yield target


def _resolved(link: str, here: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(here), link))


def _listing(folder: Path) -> str:
    """A page with the files of a folder."""
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    shown = [name for name in names if "__pycache__" not in name]
    return f"# {folder.relative_to(_ROOT)}\n\n" + "".join(f"- [{name}]({name})\n" for name in shown)


def _commands() -> str:
    """Every command with its arguments and options."""
    parts = ["# Commands and their options\n\nMade from the code. [What they do](../command-line.md), in a table.\n"]
    for name, command in _leaves("sluice", get_command(app)):
        parts.append(f"\n## {name}\n\n{command.help or ''}\n\n| | |\n| --- | --- |\n")
        for each in command.params:
            said = getattr(each, "help", "") or ""
            parts.append(f"| `{', '.join(each.opts)}` | {said.replace('|', chr(92) + '|').strip()} |\n")
    return "".join(parts)


def _leaves(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    for each, inner in getattr(command, "commands", {}).items():
        yield from _leaves(f"{name} {each}", inner)
    if not hasattr(command, "commands"):
        yield name, command


def _python() -> str:
    """The public names of `core`: what each is, and its public methods."""
    parts = ["# Python API\n\nMade from the code. [How to use it](../python.md).\n"]
    public = {name: getattr(core, name) for name in core.__all__} | {"Connected": Connected}
    for name, value in sorted(public.items(), key=lambda item: item[0].lower()):
        parts.append(f"\n## {name}\n\n{_described(name, value)}")
        for method, function in sorted(vars(value).items()) if inspect.isclass(value) else ():
            if not method.startswith("_") and (inspect.isfunction(function) or isinstance(function, property)):
                parts.append(f"\n### {name}.{method}\n\n{_described(method, function)}")
    return "".join(parts)


def _described(name: str, value: Any) -> str:
    """Its signature and its docstring as it stands there; of a constant its value and the docstring below it."""
    if not (callable(value) or isinstance(value, property)):
        return f"```python\n{name} = {value!r}\n```\n\n{_below(name)}\n"
    return f"{_called(name, value)}```text\n{inspect.getdoc(value)}\n```\n"


def _called(name: str, value: Any) -> str:
    """How it is called, or what a dictionary of a fixed form holds; nothing for a property."""
    if isinstance(value, property):
        return ""
    try:
        how = f"{name}{inspect.signature(value)}"
    except ValueError:  # a TypedDict
        how = "\n".join(f"{field}: {kind}" for field, kind in inspect.get_annotations(value).items())
    return f"```python\n{how}\n```\n\n"


def _below(name: str) -> str:
    """The docstring below a constant, in the module that `core` has it from."""
    imports = [node for node in ast.parse(inspect.getsource(core)).body if isinstance(node, ast.ImportFrom)]
    module = next(node.module for node in imports if node.module and name in [alias.name for alias in node.names])
    for node, after in pairwise(ast.parse(inspect.getsource(import_module(module))).body):
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and target.id == name and isinstance(after, ast.Expr):
            return inspect.cleandoc(str(ast.literal_eval(after.value)))
    raise PluginError(f"core.{name} has no docstring below it")


def _openapi() -> str:
    """What the alertmanager function serves at /openapi.json."""
    bodies = {"/api/v1/signals/prometheus": ALERTMANAGER, "/api/v1/signals/kubernetes-event": KUBERNETES_EVENT}
    text = json.dumps(json.loads(document(bodies)), indent=2)
    return f"# OpenAPI\n\nWhat the function for webhooks serves at `/openapi.json`.\n\n```json\n{text}\n```\n"
