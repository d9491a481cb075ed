"""The kinds of file a lead provider may send, a module each: columns, whose row it is, rules, the records that it is judged by.

A module here that lacks a part fails at import; there is no list to add it to.
"""

from importlib import import_module
from pkgutil import iter_modules

from schemas.kinds.kind import Kind

_SHARED = ("kind", "shared")


def _collected() -> dict[str, Kind]:
    names = [each.name for each in iter_modules(__path__) if each.name not in _SHARED]
    kinds: list[Kind] = [import_module(f"{__name__}.{name}").KIND for name in names]
    return {kind.name: kind for kind in sorted(kinds, key=lambda kind: kind.place)}


KINDS = _collected()
