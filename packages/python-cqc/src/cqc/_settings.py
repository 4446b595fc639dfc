"""Settings of clients and servers: how invalid ones are reported, and certificate files."""

from __future__ import annotations

from pathlib import Path

__all__ = ["SettingError", "pair", "pem"]


class SettingError(ValueError):
    """An invalid setting.

    - setting: the argument or environment variable, such as `plaintext` or `CQC_CA`
    - problem: what is wrong with it
    - fix: what to do
    """

    def __init__(self, setting: str, problem: str, fix: str) -> None:
        super().__init__(setting, problem, fix)
        self.setting = setting
        self.problem = problem
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.setting}: {self.problem}; {self.fix}"


def pem(setting: str, path: str) -> bytes:
    """Return the content of a PEM file. Raises SettingError if it is unreadable or not PEM."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise SettingError(
            setting, f"cannot read {path}: {error.strerror}", "give the path of a readable PEM file"
        ) from error
    if b"-----BEGIN " not in content:
        raise SettingError(
            setting, f"{path} is not a PEM file", "give a file with a line such as `-----BEGIN CERTIFICATE-----`"
        )
    return content


def pair(certificate: str | None, key: str | None) -> tuple[bytes, bytes] | None:
    """Return the contents of the certificate and key files, or None if neither is given.

    Raises SettingError if only one is given, or if one is invalid.
    """
    if not certificate and not key:
        return None
    import ssl  # Only mutual TLS and servers need it.

    if not key:
        raise SettingError("key", "missing beside `certificate`", "give the path of the certificate's private key")
    if not certificate:
        raise SettingError("certificate", "missing beside `key`", "give the path of the key's certificate")
    contents = pem("certificate", certificate), pem("key", key)
    try:
        # grpcio reports neither a key of another certificate nor one with a password.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, ValueError) as error:
        problem = f"{certificate} and {key} cannot be used: {getattr(error, 'reason', None) or error}"
        fix = "give a certificate and its private key as PEM files, the key without a password"
        raise SettingError("certificate", problem, fix) from error
    return contents
