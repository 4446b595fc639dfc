"""Render the templates of generated files."""

import jinja2


def render(name: str, **values: object) -> bytes:
    """Render a template of the folder `templates`; a missing value is an error."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("cqc_tools.generation"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(f"{name}.j2").render(values).encode()
