"""Files fit in the head, and nothing waits in the house for a name that has gone."""

import ast
import re
from collections import Counter
from pathlib import Path
from statistics import median

from flows.place import PROJECT

ROOMS = ("schemas", "transforms", "data", "sftp", "templates", "flows")
SOURCES = {path: path.read_text(encoding="utf-8") for room in ROOMS for path in sorted((PROJECT / room).rglob("*.py"))}
LARGE = {"data/tables.py", "schemas/columns.py"}


def name_of(path: Path) -> str:
    return path.relative_to(PROJECT).as_posix()


def test_files_are_small():
    lines = {name_of(path): text.count("\n") for path, text in SOURCES.items() if text.strip()}
    assert median(lines.values()) < 100
    over = {name for name, count in lines.items() if count > 300 and not name.startswith("data/migrations/")}
    assert over <= LARGE


def test_no_file_only_passes_things_on():
    """A package's `__init__` may collect; no module does nothing but import and rename."""
    for path, text in SOURCES.items():
        body = ast.parse(text).body
        own = [node for node in body if not isinstance(node, ast.Import | ast.ImportFrom | ast.Expr)]
        assert own or path.name == "__init__.py", name_of(path)


def test_everything_public_is_used():
    """A function, class or constant of ours without an underscore is named in another place, or in its own file twice."""
    pages = "\n".join(path.read_text(encoding="utf-8") for path in (PROJECT / "templates").glob("*.html"))
    beside = [(PROJECT / name).read_text(encoding="utf-8") for name in ("pyproject.toml", "prefect.yaml")]
    named = Counter(re.findall(r"\w+", "\n".join([*SOURCES.values(), pages, *beside])))
    unused = []
    for path, text in SOURCES.items():
        if "migrations" in path.parts:
            continue
        for node in ast.parse(text).body:
            names = [node.name] if isinstance(node, ast.FunctionDef | ast.ClassDef) else []
            if isinstance(node, ast.Assign):
                names = [each.id for each in node.targets if isinstance(each, ast.Name)]
            decorated = isinstance(node, ast.FunctionDef) and node.decorator_list
            for name in names:
                if name.startswith("_") or decorated or name in ("KIND", "UPDATE", "__all__"):
                    continue
                if named[name] < 2:
                    unused.append(f"{name_of(path)}: {name}")
    assert unused == []
