"""The import direction of the packages, and the foreign libraries that only one place may know."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("mediaserver", "recorder", "signalling")

ALLOWED = {
    "mediaserver": ("mediaserver",),
    # The media graph and the pure packet formats, nothing else of the SFU.
    "recorder": ("recorder", "mediaserver.sfu.interfaces", "mediaserver.rtp"),
    "signalling": ("signalling", "mediaserver", "recorder"),
}
"""Package to what of ours it may import."""

ONLY_HERE = {
    "socketio": "signalling/realtime/server.py",
    "engineio": "signalling/realtime/server.py",
    "aiortc": "mediaserver/transport",
    "aioice": "mediaserver/transport",
    "pylibsrtp": "mediaserver/transport",
    "sqlalchemy": "signalling/store",
    "alembic": "signalling/store",
}
"""Library to the one module or package that may import it."""


def imports(package: str) -> Iterator[tuple[Path, str]]:
    """Every import of the package, wherever it stands: the file, and the full name of what it imports."""
    for path in sorted((ROOT / package).rglob("*.py")):
        if "node_modules" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(), str(path))):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield path.relative_to(ROOT), alias.name
            elif isinstance(node, ast.ImportFrom):
                above = path.relative_to(ROOT).parts[: -node.level] if node.level else ()
                module = ".".join([*above, *([node.module] if node.module else [])])
                for alias in node.names:
                    yield path.relative_to(ROOT), f"{module}.{alias.name}"


def within(name: str, parents: tuple[str, ...]) -> bool:
    return any(name == parent or name.startswith(parent + ".") for parent in parents)


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_go_one_way(package: str) -> None:
    projects = (*PACKAGES, "benchmarks", "tests")
    ours = [(path, name) for path, name in imports(package) if within(name, projects)]
    assert ours, "the package imports something of ours"
    wrong = [f"{path}: {name}" for path, name in ours if not within(name, ALLOWED[package])]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("library", ONLY_HERE)
def test_a_library_is_known_in_one_place(library: str) -> None:
    place = Path(ONLY_HERE[library])
    users = {path for package in PACKAGES for path, name in imports(package) if within(name, (library,))}
    assert users, f"nothing imports {library} any more"
    wrong = [str(path) for path in users if path != place and place not in path.parents]
    assert not wrong
