"""The options that several commands share."""

from typing import Annotated

import typer

Tagged = Annotated[
    str, typer.Option("--release", help="Version, such as 1.2.0, or `last`; by default the tag that is checked out.")
]
Release = Annotated[
    str, typer.Option("--release", help="Version, such as 1.2.0; by default HEAD's tag, or else the next version.")
]
Target = Annotated[str, typer.Option("--target", help="Target of release.toml: local, private or public.")]
