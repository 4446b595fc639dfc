"""Logins for registries: taken out of addresses, which then hold no secret, or found where their clients keep them."""

import configparser
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit, urlunsplit

from cqc_tools.foundation.errors import Refused
from cqc_tools.packages.credentials import Credentials

if TYPE_CHECKING:
    import requests

PYPIRC = "~/.pypirc"


def split(addresses: Mapping[str, str]) -> tuple[dict[str, str], dict[str, Credentials]]:
    """The addresses without logins, and the login of each that had one, by the same keys."""
    plain: dict[str, str] = {}
    logins: dict[str, Credentials] = {}
    for key, address in addresses.items():
        plain[key], login = split_one(address)
        if login:
            logins[key] = login
    return plain, logins


def split_one(address: str) -> tuple[str, Credentials | None]:
    """An http address without its login, and that login."""
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or "@" not in parts.netloc:
        return address, None
    userinfo, _, host = parts.netloc.rpartition("@")
    name, _, secret = userinfo.partition(":")
    return urlunsplit(parts._replace(netloc=host)), Credentials(unquote(name), unquote(secret))


def is_same_origin(address: str, other: str) -> bool:
    """Whether two addresses are on the same server, so that the login for one is for the other too."""
    return _origin(address) == _origin(other)


def _origin(address: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(address)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def of_pypirc(address: str, *, whole_server: bool = False) -> Credentials | None:
    """The login that the user's .pypirc has for an upload address, or with `whole_server` for any on its server.

    Raises Refused if the file cannot be read.
    """
    from twine import utils

    try:
        sections = utils.get_config(PYPIRC).values()
    except (OSError, ValueError, configparser.Error) as error:
        # The error itself may quote a line with a password.
        raise Refused(f"{PYPIRC} cannot be read: {type(error).__name__}", f"correct {PYPIRC}") from None
    for section in sections:
        found, secret = section.get("repository") or "", section.get("password")
        is_meant = is_same_origin(found, address) if whole_server else found.rstrip("/") == address.rstrip("/")
        if is_meant and secret:
            return Credentials(section.get("username") or "__token__", secret)
    return None


def for_reading(address: str, upload: str) -> Credentials | None:
    """The login with which an index that is not public can be read: the one for uploads to the same server, or one
    from the user's keyring.

    Raises Refused if .pypirc cannot be read.
    """
    name, secret = os.environ.get("TWINE_USERNAME"), os.environ.get("TWINE_PASSWORD")
    if name and secret and is_same_origin(address, upload):
        return Credentials(name, secret)
    if found := of_pypirc(address, whole_server=True):
        return found
    import keyring
    import keyring.errors

    try:
        kept = keyring.get_credential(address, None)
    except keyring.errors.KeyringError:
        return None
    return Credentials(kept.username, kept.password) if kept else None


class IndexLogin:
    """Logs in to the index at `address`, and to no other server that its pages lead to.

    The order is pip's: the login of the address, then netrc, then whatever else the user has for it, once the index
    asks for one.
    """

    def __init__(self, address: str, upload: str, given: Credentials | None) -> None:
        self.address = address
        self.upload = upload
        self.given = given

    def __call__(self, request: "requests.PreparedRequest") -> "requests.PreparedRequest":
        """Add the login to a request, or prepare for being asked for it."""
        from requests.utils import get_netrc_auth

        url = str(request.url)
        if not is_same_origin(url, self.address):
            return request
        login = self.given
        if not login and (found := get_netrc_auth(url)):
            login = Credentials(str(found[0]), str(found[1]))
        if login:
            return _with(request, login)
        request.hooks["response"].append(self._asked)
        return request

    def _asked(self, answer: "requests.Response", **options: Any) -> "requests.Response":
        if answer.status_code != 401 or not is_same_origin(str(answer.url), self.address):
            return answer
        login = for_reading(self.address, self.upload)
        if not login:
            return answer
        self.given = login
        request = _with(answer.request.copy(), login)
        again = answer.connection.send(request, **options)
        again.history.append(answer)
        again.request = request
        return again


def _with(request: "requests.PreparedRequest", login: Credentials) -> "requests.PreparedRequest":
    from requests.auth import HTTPBasicAuth

    HTTPBasicAuth(login.name, login.secret)(request)
    return request
