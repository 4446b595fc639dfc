"""For PyInstaller: messages and helpers are loaded by name, which its analysis of imports cannot see."""

from pathlib import Path

__all__ = ["get_hook_dirs"]


def get_hook_dirs() -> list[str]:
    """The folder of the hook, as the entry point `pyinstaller40` states it."""
    return [str(Path(__file__).with_name("hooks"))]
