"""`station hal`: what is connected, who it is, and what passes on its wire."""

from __future__ import annotations

import argparse
from pathlib import Path

from station.cli.kinds import seconds

__all__ = ["add"]

DECODERS = ("line", "mcu", "modbus", "pn532", "rapi")
PARITIES = ("N", "E", "O")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `hal` to the command line."""
    hal = commands.add_parser("hal", help="find connected hardware, watch its wire")
    what = hal.add_subparsers(title="what", required=True, metavar="WHAT")
    _add_probe(what)
    _add_monitor(what)
    _add_safe(what)


def _add_probe(what: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    probe = what.add_parser(
        "probe",
        help="find what is connected: who it is, how to configure it, what it shows",
        description="Asks every serial port, in every protocol that this program knows, the most harmless question first; changes "
        "nothing on a device. Exit code 0: something was found (with --config: everything answers), 1: not.",
    )
    probe.add_argument(
        "ports",
        nargs="*",
        metavar="PORT",
        help="/dev/... or socket://host:port; none: every serial port of this machine, by its stable name",
    )
    probe.add_argument(
        "--config", type=Path, metavar="FILE", help="ask the boards, meters and readers of this configuration instead"
    )
    probe.add_argument("--baud", type=_baud, metavar="N", help="only at this rate (default: as devices are delivered)")
    probe.add_argument("--parity", choices=PARITIES, help="only with this parity")
    probe.add_argument(
        "--addresses",
        type=_addresses,
        default=(),
        metavar="1-10",
        help="Modbus addresses to ask besides those that devices are delivered with: 5, or 1-10, or 1-10,40",
    )
    probe.add_argument("--watch", action="store_true", help="show what they read, anew every second, until Ctrl-C")
    probe.add_argument("--json", action="store_true", help="print what was found as JSON, one line for each device")
    probe.add_argument(
        "--timeout", type=seconds, metavar="S", help="seconds that an answer may take (default: as the device needs)"
    )
    probe.set_defaults(handler=_probe)


def _add_monitor(what: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    monitor = what.add_parser(
        "monitor",
        help="show what passes on the wire, decoded",
        description="Without PORT: what the drivers of the running station send and receive, by its local socket. With PORT: what "
        "arrives on a port that nobody uses (a tap on an RS-485 line, for example); nothing is sent. With --file: what was "
        "saved. Numbers of cards are hidden unless --show-cards is given: they are personal data.",
    )
    monitor.add_argument("port", nargs="?", metavar="PORT", help="listen to this port, which no program uses")
    monitor.add_argument(
        "--as",
        dest="speaks",
        choices=DECODERS,
        help="the protocol on PORT or in the file (default: found out by its checksums)",
    )
    monitor.add_argument("--baud", type=_baud, metavar="N", help="of PORT (default: 9600, rapi, mcu and pn532 115200)")
    monitor.add_argument("--parity", choices=PARITIES, default="N", help="of PORT (default: N)")
    monitor.add_argument("--file", type=Path, metavar="FILE", help="show what --save has written")
    monitor.add_argument(
        "--save", type=Path, metavar="FILE", help="also write it to this file, a JSON object each line"
    )
    monitor.add_argument("--only", metavar="TEXT", help="of the running station: only ports whose name contains this")
    monitor.add_argument("--show-cards", action="store_true", help="show numbers of cards and what is typed")
    monitor.add_argument("--hex", action="store_true", help="show the bytes of every frame, not only of damaged ones")
    monitor.add_argument("--json", action="store_true", help="print JSON, as --save writes it")
    monitor.add_argument("--duration", type=seconds, metavar="S", help="end after so many seconds")
    monitor.add_argument(
        "--socket",
        type=Path,
        metavar="PATH",
        help="the station's socket (default: PILOTWIRE_SOCKET, else the usual places)",
    )
    monitor.set_defaults(handler=_monitor)


def _add_safe(what: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    safe = what.add_parser(
        "safe",
        help="open every contactor after a program that is gone",
        description="For ExecStopPost of the service, and for people. Every board of the configuration forbids power and is seen open; "
        "the station must not run. Exit code 0: all are safe, 1: one is not, or nobody knows.",
    )
    safe.add_argument("--config", required=True, type=Path, metavar="FILE", help="the station's TOML file")
    safe.set_defaults(handler=_safe)


def _baud(text: str) -> int:
    if not text.isdecimal() or not 50 <= int(text) <= 4_000_000:
        raise argparse.ArgumentTypeError(f"must be a number of bits per second, 50 to 4000000 (got {text})")
    return int(text)


def _addresses(text: str) -> tuple[int, ...]:
    """ "1-3,10" is 1, 2, 3, 10; each 1 to 247 (Modbus over serial line, 2.2)."""
    found: dict[int, None] = {}
    for part in text.split(","):
        first, _, last = part.partition("-")
        last = last or first
        if not (first.isdecimal() and last.isdecimal() and 1 <= int(first) <= int(last) <= 247):
            raise argparse.ArgumentTypeError(f"must be addresses of 1 to 247: 5, or 1-10, or 1-10,40 (got {text})")
        found |= dict.fromkeys(range(int(first), int(last) + 1))
    return tuple(found)


def _probe(arguments: argparse.Namespace) -> int:
    from station.cli import hal_probe

    return hal_probe.run(arguments)


def _monitor(arguments: argparse.Namespace) -> int:
    from station.cli import hal_monitor

    return hal_monitor.run(arguments)


def _safe(arguments: argparse.Namespace) -> int:
    from station.cli import hal_safe

    return hal_safe.run(arguments.config)
