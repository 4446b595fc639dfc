"""Import every module of the package. Warnings are errors if Python runs with -W error."""

import importlib
import pkgutil

import cqc

found = [module.name for module in pkgutil.walk_packages(cqc.__path__, "cqc.") if "pyinstaller" not in module.name]
for name in found:
    importlib.import_module(name)
assert cqc.__version__
print(len(found))
