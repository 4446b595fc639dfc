"""What a frozen program needs of the package: all modules, the descriptor set and the protos."""

from PyInstaller.utils.hooks import collect_data_files, collect_submodules

hiddenimports = collect_submodules("cqc", filter=lambda name: not name.startswith("cqc._pyinstaller"))
datas = collect_data_files("cqc", excludes=["**/*.pyi", "**/py.typed"])
