"""The packages in their users' toolchains: each environment installs locked tools beside a built package, and uses it.

`environment.py` defines an environment, `installs.py` installs one, `matrix.py` lists and runs all; the other modules
define the environments of one language or purpose. Lock files and programs are in tools/environments.
"""
