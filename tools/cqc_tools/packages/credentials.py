"""What a client proves its user's identity with."""

import base64
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Credentials:
    """A user name and a password or token."""

    name: str
    secret: str = field(repr=False)

    @property
    def basic(self) -> str:
        """What follows `Basic` in an Authorization header."""
        return base64.b64encode(f"{self.name}:{self.secret}".encode()).decode()
