"""Every kind of update a provider can make, a file a kind: for each kind of file the module of its name, with its UPDATE.

A kind without one fails at import, and one without a kind.
"""

from importlib import import_module
from pkgutil import iter_modules

from schemas.kinds import KINDS
from transforms.update import Update

UPDATES: dict[str, Update] = {name: import_module(f"{__name__}.{name.replace('-', '_')}").UPDATE for name in KINDS}

if lonely := {each.name for each in iter_modules(__path__)} - {name.replace("-", "_") for name in KINDS}:
    raise ValueError(f"transforms/updates: {lonely} is the update of no kind of file")
