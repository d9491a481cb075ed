"""What receipts and statements were made by: digests of the code that decides, and the libraries beside it.

A digest is of parsed code: comments, docstrings, layout and the modules that things stand in change nothing; whatever can
change a figure (`calculation`), or an answer, its message or its advice (`rule_set`), does.
"""

import ast
import hashlib
import os
import re
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

from flows.place import PROJECT

OURS = ("transforms", "schemas", "data")
ROOMS = (*OURS, "flows", "templates", "sftp")
# Where figures and answers come from; everything of ours that these import is looked at with them.
FIGURES = (
    "transforms.money.computing",
    "transforms.money.expected",
    "data.accounts",
    "data.expectations",
    "data.stated",
)
ANSWERS = ("transforms.judging", "schemas.inbound.reading", "schemas.inbound.unread", "data.snapshots")
# CPython 3.11 cannot parse in two threads at once: "AST constructor recursion depth mismatch".
_PARSING = threading.Lock()
# Where it is decided who and what is in an extract.
SHOWN = ("transforms.extracts.making", "transforms.extracts.changed", "data.holdings")
LIBRARIES = ("duckdb", "pandera", "polars")


@cache
def calculation(home: Path | None = None) -> str:
    """A short digest of everything that can change a figure of a statement."""
    return _digest("calculation", home, FIGURES, (".sql", "fee_proportions.csv"))


@cache
def rule_set(home: Path | None = None) -> str:
    """A short digest of every rule in force: condition, message, advice, and the facts that they speak of."""
    return _digest("rule_set", home, ANSWERS, (".csv",))


@cache
def extracts(home: Path | None = None) -> str:
    """A short digest of everything that decides who and what is in an extract."""
    return _digest("extracts", home, SHOWN, ())


@cache
def libraries() -> dict[str, str]:
    """The versions of the libraries that compute and judge."""
    return {name: version(name) for name in LIBRARIES}


@cache
def code() -> str:
    """A digest of all code and facts of ours, to the byte: it is another with every release."""
    return _to_the_byte()


def _to_the_byte() -> str:
    files = [path for room in ROOMS for path in (PROJECT / room).rglob("*") if path.suffix in (".py", ".sql", ".csv")]
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in sorted(files))).hexdigest()


def _digest(name: str, home: Path | None, roots: Iterable[str], beside: tuple[str, ...]) -> str:
    """Parsing takes a third of a second at the start of a process: what came of it is kept in the home, for as long as all code is
    what it was, to the byte."""
    kept = home / "stamps" / name if home else None
    made_of = _made_of() if kept else ""
    if kept:
        with suppress(OSError, ValueError):
            before, digest = kept.read_text(encoding="utf-8").splitlines()
            if before == made_of:
                return digest
    with _PARSING:
        digest = _digested(roots, beside)
    if kept and made_of == _made_of():  # no other release has come in its place meanwhile
        _keep(kept, f"{made_of}\n{digest}\n")
    return digest


def _made_of() -> str:
    return f"{sys.version_info} {_to_the_byte()}"


def _keep(path: Path, content: str) -> None:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    with suppress(OSError):  # the disk is full, say: it is worked out each time
        path.parent.mkdir(exist_ok=True)
        try:
            unfinished.write_text(content, encoding="utf-8")
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)


def _digested(roots: Iterable[str], beside: tuple[str, ...]) -> str:
    parts = [part for name in sorted(closure(roots)) for part in parsed(_source(name))]
    for package in OURS:
        for path in sorted((PROJECT / package).rglob("*")):
            if path.is_file() and path.name.endswith(beside):
                parts.append(without_comments(path.read_text(encoding="utf-8")))
    return hashlib.sha256("\0".join(sorted(parts)).encode()).hexdigest()[:12]


def closure(roots: Iterable[str]) -> set[str]:
    """These modules of ours and all that they import, of ours."""
    found: set[str] = set()
    coming = list(roots)
    while coming:
        name = coming.pop()
        if name in found:
            continue
        found.add(name)
        coming += _collected(name)
        coming += [each for each in _read(_source(name))[0] if each.split(".")[0] in OURS and source_of(each).is_file()]
    return found


def _source(name: str) -> str:
    return source_of(name).read_text(encoding="utf-8")


@cache
def _read(source: str) -> tuple[list[str], list[str]]:
    """(What a module of ours may import, what it defines). Read once: several digests look at the same modules."""
    tree, named = ast.parse(source), list[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            named += [node.module, *(f"{node.module}.{each.name}" for each in node.names)]
        elif isinstance(node, ast.Import):
            named += [each.name for each in node.names]
    return named, _defined(tree)


def _collected(name: str) -> list[str]:
    """The modules that a package of ours gathers by itself, without naming them."""
    source = source_of(name)
    if source.name != "__init__.py" or "import_module(" not in source.read_text(encoding="utf-8"):
        return []
    return [f"{name}.{path.stem}" for path in sorted(source.parent.glob("*.py")) if path.stem != "__init__"]


def source_of(name: str) -> Path:
    """The file of a module of ours; one that is not there where it is none."""
    path = PROJECT / name.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def parsed(source: str) -> list[str]:
    """What a module defines, one text a statement, wherever it stands: no comments, docstrings, positions, imports."""
    return _read(source)[1]


def _defined(module: ast.Module) -> list[str]:
    body = module.body
    for node in ast.walk(module):
        own = getattr(node, "body", None)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and own and _is_text(own[0]):
            node.body = own[1:] or [ast.Pass()]
    kept = [node for node in body if not isinstance(node, ast.Import | ast.ImportFrom) and not _is_text(node)]
    return [ast.dump(node, annotate_fields=False) for node in kept]


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def without_comments(text: str) -> str:
    """SQL and tables of facts: `--` comments and layout taken out."""
    return re.sub(r"\s+", " ", re.sub(r"--[^\n]*", "", text)).strip()
