"""Every kind of update a provider can make, a file a kind: for each kind of file the module of its name, with its UPDATE.

A kind without one fails at import.
"""

from importlib import import_module

from schemas.kinds import KINDS
from transforms.update import Update

UPDATES: dict[str, Update] = {name: import_module(f"{__name__}.{name.replace('-', '_')}").UPDATE for name in KINDS}
