"""Command line: `python -m cqc_example serve | rebuild | version`. Run with `--help` for the options."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import cqc
from cqc_example.client import rebuild
from cqc_example.server import serve


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="cqc_example")
    commands = parser.add_subparsers(dest="command", required=True)
    serving = commands.add_parser("serve", help="serve captured traffic")
    serving.add_argument("--data", type=Path, required=True, help="directory with one subdirectory per venue")
    serving.add_argument("--address", default="127.0.0.1:0", help="address to listen on; port 0 picks a free port")
    rebuilding = commands.add_parser("rebuild", help="rebuild the order books of a server and print their digest")
    rebuilding.add_argument("--address", required=True, help="address of the server")
    commands.add_parser("version", help="print the version of the installed cqc package")
    chosen = parser.parse_args()
    if chosen.command == "version":
        print(cqc.__version__)
    elif chosen.command == "serve":
        serve(chosen.data, chosen.address)
    else:
        print(json.dumps(asdict(rebuild(chosen.address))))


if __name__ == "__main__":
    main()
