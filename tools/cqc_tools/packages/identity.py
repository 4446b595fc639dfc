"""The identity of a CI run, which the public registries accept instead of a secret."""

import os
from urllib.parse import urlsplit

from cqc_tools.foundation.errors import Refused

# A CI gives a run its identity at once, or not at all.
SECONDS = 60
PUBLIC_HOSTS = frozenset({"pypi.org", "upload.pypi.org", "registry.npmjs.org", "github.com"})


def is_public(address: str) -> bool:
    """Whether an address is that of a public registry. An empty one is the client's own default, which is."""
    return not address or urlsplit(address).hostname in PUBLIC_HOSTS


def is_github_run() -> bool:
    """Whether this runs in a workflow on GitHub."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def is_elsewhere(address: str) -> bool:
    """Whether only another job of this CI run can have credentials for an address: the job that publishes has an
    identity, which this one lacks."""
    return is_public(address) and is_github_run() and not _is_given()


def detect(audience: str) -> str | None:
    """The run's identity as a token for an audience, None outside CI and in a job without an identity.

    Raises Refused if the CI does not answer.
    """
    if not _is_given():
        return None
    import id

    from cqc_tools.packages import web

    try:
        return web.within(SECONDS, "the CI", lambda: id.detect_credential(audience))
    except id.IdentityError as error:
        raise Refused(f"the CI did not give this run an identity: {error}", "run the job again") from error


def _is_given() -> bool:
    return bool(os.environ.get("ACTIONS_ID_TOKEN_REQUEST_URL"))
