"""Options of every command that has a web server: where it listens, for whom, with which certificate, and the browser."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from station.sim.panel import PanelOptions

__all__ = ["add", "options"]


def add(command: argparse.ArgumentParser, *, port: int, what: str) -> None:
    """Add the options. port: of the default address. what: is served there, for the help."""
    group = command.add_argument_group(what)
    group.add_argument(
        "--listen",
        metavar="HOST:PORT",
        help=f"where {what} is served (default: 127.0.0.1:{port}, or the next free port); any address but a loopback one "
        "needs --token-file",
    )
    group.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="file whose first line (16 characters or more) everybody must show: Authorization: Bearer, or on the page",
    )
    group.add_argument("--tls-cert", type=Path, metavar="FILE", help="certificate chain (PEM): HTTPS instead of HTTP")
    group.add_argument("--tls-key", type=Path, metavar="FILE", help="the certificate's private key (PEM, no password)")
    group.add_argument(
        "--browser",
        action=argparse.BooleanOptionalAction,
        help=f"open {what} in the browser, or do not (default: when somebody sits at a terminal on a desktop)",
    )


def options(arguments: argparse.Namespace) -> PanelOptions:
    """What was given of them."""
    from station.sim.panel import PanelOptions

    return PanelOptions(
        listen=arguments.listen,
        token_file=arguments.token_file,
        tls_cert=arguments.tls_cert,
        tls_key=arguments.tls_key,
        browser=arguments.browser,
    )
