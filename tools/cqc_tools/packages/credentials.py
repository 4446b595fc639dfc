"""What a client proves its user's identity with."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Credentials:
    """A user name and a password or token."""

    name: str
    secret: str = field(repr=False)
