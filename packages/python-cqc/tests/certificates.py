"""Certificates for the tests of TLS."""

from pathlib import Path

import trustme


class Certificates:
    """PEM files of a CA, of a server and a client that it knows, and of another CA."""

    def __init__(self, folder: Path) -> None:
        ca, other = trustme.CA(), trustme.CA()
        server, client = ca.issue_cert("localhost", "127.0.0.1"), ca.issue_cert("trader@example.com")
        self.ca, self.other_ca = str(folder / "ca.pem"), str(folder / "other.pem")
        self.server, self.server_key = str(folder / "server.pem"), str(folder / "server.key")
        self.client, self.client_key = str(folder / "client.pem"), str(folder / "client.key")
        ca.cert_pem.write_to_path(self.ca)
        other.cert_pem.write_to_path(self.other_ca)
        server.cert_chain_pems[0].write_to_path(self.server)
        server.private_key_pem.write_to_path(self.server_key)
        client.cert_chain_pems[0].write_to_path(self.client)
        client.private_key_pem.write_to_path(self.client_key)
