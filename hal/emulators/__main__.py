"""`python -m hal.emulators NAME`: an emulated device in a process of its own."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import importlib
import json
import pkgutil
import random
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import hal.emulators
from hal.emulators.serve import Emulated, PtyPlug, Server, TcpPlug, run
from hal.errors import HalError

NOT_DEVICES = {"__main__", "serve", "process", "modbus_frames", "modbus_signing"}
EPILOG = """\
The first line on standard output is the port for the station's configuration. Then each line of JSON on standard
input, for example {"noise": 0.1} or {"hang_up": 2.0}, is answered by one line. Knobs of every wire: noise, delay_s,
drop, truncate, flip, duplicate, hang_up, plug_in, brown_out, power_on; the others are the device's. The end of
standard input ends the emulator, unless --forever is given."""


def names() -> list[str]:
    """Every module of this package that has a factory `create(settings) -> Emulated`."""
    return sorted(
        module.name for module in pkgutil.iter_modules(hal.emulators.__path__) if module.name not in NOT_DEVICES
    )


def create(name: str, settings: Mapping[str, object]) -> Emulated:
    """The device of that name. Raises ConfigError naming the field that does not fit."""
    factory: Callable[[Mapping[str, object]], Emulated] = importlib.import_module(f"hal.emulators.{name}").create
    return factory(settings)


def setting(text: str) -> tuple[str, object]:
    """`key=value`; a value that is JSON (numbers, true, lists) is taken as such, all else as text."""
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise argparse.ArgumentTypeError(f"must be key=value, is {text!r}")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(
        prog="python -m hal.emulators",
        description="An emulated device that speaks its real wire protocol.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.add_argument("name", choices=names(), metavar="NAME", help=f"one of: {', '.join(names())}")
    found.add_argument("settings", nargs="*", type=setting, metavar="KEY=VALUE", help="settings of the device")
    where = found.add_mutually_exclusive_group()
    where.add_argument("--link", type=Path, metavar="PATH", help="symbolic link to the pseudo terminal, a stable name")
    where.add_argument("--tcp", metavar="HOST:PORT", help="a TCP port instead (0: any); for lines with parity")
    found.add_argument("--seed", type=int, default=0, help="the same seed spoils the same bytes (default: 0)")
    found.add_argument("--knob", action="append", default=[], type=setting, metavar="KEY=VALUE", help="a first order")
    found.add_argument("--forever", action="store_true", help="take no orders; run until interrupted")
    return found


async def _serve(arguments: argparse.Namespace) -> None:
    rng = random.Random(arguments.seed)
    device = create(arguments.name, dict(arguments.settings))
    if arguments.tcp is None:
        server = Server(device, PtyPlug(arguments.link), rng)
    else:
        host, _, number = arguments.tcp.rpartition(":")
        server = Server(device, TcpPlug(host or "127.0.0.1", int(number)), rng)
    if arguments.knob:
        server.obey(dict(arguments.knob))
    task = asyncio.ensure_future(run(server, functools.partial(print, flush=True), forever=arguments.forever))
    for ending in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(ending, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


def main(argv: list[str] | None = None) -> int:
    """Run until told to end. Returns the exit code."""
    arguments = parser().parse_intermixed_args(argv)
    try:
        asyncio.run(_serve(arguments))
    except HalError as error:
        print(f"{arguments.name}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
