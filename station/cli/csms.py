"""`station csms`: the embedded CSMS alone."""

from __future__ import annotations

import argparse
from pathlib import Path

from station.cli import listen
from station.cli.kinds import seconds

VERSIONS = ("2.0.1", "1.6")
BOOTS = ("Accepted", "Pending", "Rejected")
WEB_PORT = 8190
DESCRIPTION = """A CSMS for tests: it answers any station honestly, sends whatever you tell it to, and misbehaves on demand. A page
and a REST interface control it; every message from CSMS to station is documented there."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `csms` to the command line."""
    csms = commands.add_parser("csms", help="a CSMS for tests, alone", description=" ".join(DESCRIPTION.split()))
    csms.add_argument(
        "--bind",
        type=_place,
        default=("127.0.0.1", 9000),
        metavar="HOST:PORT",
        help="where stations connect (default: 127.0.0.1:9000; 0.0.0.0:9000 lets other computers in)",
    )
    csms.add_argument(
        "--ocpp", action="append", choices=VERSIONS, help="a version to speak, may be repeated (default: both)"
    )
    csms.add_argument(
        "--token",
        action="append",
        metavar="ID",
        help="a card that may charge, may be repeated (default: three of ours)",
    )
    csms.add_argument(
        "--boot",
        action="append",
        choices=BOOTS,
        help="answer to the next BootNotification, may be repeated; the last one stays (default: Accepted)",
    )
    csms.add_argument(
        "--only", action="append", metavar="ID", help="a station that may connect, may be repeated (default: every one)"
    )
    security = csms.add_argument_group("security")
    security.add_argument(
        "--profile",
        type=int,
        choices=(0, 1, 2, 3),
        help="security profile: 1 password, 2 TLS and password, 3 TLS with station certificates (default: what is given)",
    )
    security.add_argument(
        "--password-file", type=Path, metavar="FILE", help="first line: the password of every station"
    )
    security.add_argument(
        "--pki",
        type=Path,
        metavar="DIR",
        help="a test PKI (`station pki make DIR`): TLS with its server certificate, and certificate requests are signed",
    )
    security.add_argument(
        "--cert", type=Path, metavar="FILE", help="certificate chain of the CSMS (PEM), without --pki"
    )
    security.add_argument("--key", type=Path, metavar="FILE", help="its private key (PEM)")
    security.add_argument("--client-ca", type=Path, metavar="FILE", help="roots of station certificates (profile 3)")
    security.add_argument("--crl", type=Path, metavar="FILE", help="revoked station certificates (PEM)")
    csms.add_argument("--quiet", action="store_true", help="do not print every frame")
    csms.add_argument("--duration", type=seconds, metavar="S", help="end after so many seconds")
    listen.add(csms, port=WEB_PORT, what="the page and REST")
    csms.set_defaults(handler=_run)


def _place(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"must be HOST:PORT, for instance 127.0.0.1:9000 (got {text})")
    return host.strip("[]"), int(port)


def _run(arguments: argparse.Namespace) -> int:
    from station.sim.csms_serve import CsmsOptions, run_csms
    from station.sim.lab import KNOWN_TOKENS
    from station.web.server import check_installed

    check_installed()
    host, port = arguments.bind
    return run_csms(
        CsmsOptions(
            host=host,
            port=port,
            versions=tuple(arguments.ocpp or VERSIONS),
            tokens=tuple(arguments.token or KNOWN_TOKENS),
            boot=tuple(arguments.boot or ("Accepted",)),
            known=tuple(arguments.only or ()),
            profile=arguments.profile,
            password_file=arguments.password_file,
            pki=arguments.pki,
            cert=arguments.cert,
            key=arguments.key,
            client_ca=arguments.client_ca,
            crl=arguments.crl,
            panel=listen.options(arguments),
            frames=not arguments.quiet,
            duration_s=arguments.duration,
        )
    )
