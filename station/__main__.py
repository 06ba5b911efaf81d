"""The command `station`: argument parsing only; every subcommand is imported when it is used."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from station import __version__
from station.cli import csms, ctl, explain, hal, listen, pki
from station.cli.kinds import seconds

if TYPE_CHECKING:
    from station.config_fields import Text

VERSIONS = ("1.6", "2.0.1")
OK, FAILED, WRONG = 0, 1, 2
OUTPUT_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF, errno.EINVAL})


def main(argv: Sequence[str] | None = None) -> int:
    """Parse and run. Returns the exit code: 0 fine, 1 it did not work, 2 wrong arguments or a wrong file."""
    if sys.stdout is None:  # `station ... >&-`
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # open as long as the process is
    try:
        return _run_command(argv)
    finally:
        _forget_unwritten()


def _run_command(argv: Sequence[str] | None) -> int:
    arguments = parser().parse_args(argv)
    handler: Callable[[argparse.Namespace], int] = arguments.handler
    from station.errors import ConfigError, StationError

    try:
        code = handler(arguments)
        sys.stdout.flush()
        return code
    except ConfigError as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)
        return WRONG
    except StationError as error:
        print(f"error: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return OK
    except BrokenPipeError:  # `station play ... | head`: who has read enough is content
        return OK
    except OSError as error:
        print(f"error: {_what_failed(error)}", file=sys.stderr)
        return FAILED


def _what_failed(error: OSError) -> str:
    """Errors of files say which file, those of the standard streams do not."""
    if error.filename is None and error.errno in OUTPUT_ERRORS:
        return f"the output cannot be written: {error.strerror}"
    return str(error)


def _forget_unwritten() -> None:
    """What is still buffered for somebody who does not take it must have somewhere to go when the program ends."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def parser() -> argparse.ArgumentParser:
    """The whole command line; docs/command-line.md is made from it."""
    top = argparse.ArgumentParser(
        prog="station", description="Charging-station firmware that is also its own simulator: OCPP 1.6J and 2.0.1."
    )
    top.add_argument("--version", action="version", version=f"pilotwire {__version__}")
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_sim(commands)
    _add_play(commands)
    _add_run(commands)
    _add_check(commands)
    _add_config(commands)
    _add_store(commands)
    ctl.add(commands)
    csms.add(commands)
    pki.add(commands)
    explain.add(commands)
    hal.add(commands)
    return top


def _amperes(text: str) -> float:
    try:
        amperes = float(text)
    except ValueError:
        amperes = -1.0
    if not 6 <= amperes <= 10_000:
        raise argparse.ArgumentTypeError(
            f"must be a number of amperes from 6, which a car needs, to 10000 (got {text})"
        )
    return amperes


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = -1.0
    if not 0 < speed <= 100_000:
        raise argparse.ArgumentTypeError(f"must be a number above 0, at most 100000, or max (got {text})")
    return speed


def _token(text: str) -> str:
    from station.config_fields import TOKEN

    return _fitting(TOKEN, text)


def _identity(text: str) -> str:
    from station.config_fields import IDENTITY

    return _fitting(IDENTITY, text)


def _fitting(kind: Text, text: str) -> str:
    """The same rules as for configuration files."""
    from station.config_fields import WrongValueError

    try:
        return kind.read(text)
    except WrongValueError as error:
        raise argparse.ArgumentTypeError(f"must be {error.expected} (got {text!r})") from error


def _add_sim(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sim = commands.add_parser(
        "sim",
        help="a simulated station with cars, in the terminal",
        description="Two EVSEs, a car and an embedded CSMS, or yours; a first session plays by itself.",
    )
    sim.add_argument("--ocpp", choices=VERSIONS, default="2.0.1", help="OCPP version (default: 2.0.1)")
    sim.add_argument("--csms", metavar="URL", help="your CSMS (ws:// or wss://, without the id); default: embedded")
    sim.add_argument(
        "--id", type=_identity, default="PILOT-1", metavar="NAME", help="identity of the station (default: PILOT-1)"
    )
    sim.add_argument(
        "--password-file", metavar="FILE", type=Path, help="file whose first line is the Basic auth password"
    )
    sim.add_argument(
        "--speed",
        type=_speed,
        default=argparse.SUPPRESS,
        metavar="N|max",
        help="simulated seconds per second (default: 10, with --stdio max, towards --csms and with --wire 1); "
        "max only with the embedded CSMS",
    )
    sim.add_argument("--token", type=_token, metavar="ID", help="the card that is swiped; your CSMS should know it")
    sim.add_argument(
        "--evses", type=int, choices=range(1, 9), default=2, metavar="N", help="EVSEs, 1 to 8 (default: 2)"
    )
    sim.add_argument(
        "--station-max",
        type=_amperes,
        metavar="A",
        help="fuse of the grid connection, per phase: the EVSEs share it (default: none)",
    )
    sim.add_argument(
        "--seed",
        metavar="TEXT",
        help="the same seed gives the same ids and the same jitter (default: 1; towards --csms another one every time)",
    )
    sim.add_argument(
        "--store", metavar="DIR", type=Path, help="keep database and meters there; default: a temporary one"
    )
    sim.add_argument(
        "--wire",
        action="store_true",
        help="real drivers, in real time: OpenEVSE boards, SDM630 meters and a PN532 reader, emulated in processes of their own "
        "behind pseudo terminals",
    )
    sim.add_argument("--no-demo", dest="demo", action="store_false", help="do not play the first session")
    sim.add_argument("--plain", action="store_true", help="lines instead of a screen, for logs and pipes")
    sim.add_argument("--duration", type=seconds, metavar="S", help="end after so many simulated seconds")
    sim.add_argument(
        "--stdio",
        action="store_true",
        help="no screen: a program drives it, JSON lines on standard input and output; at speed max runs repeat exactly",
    )
    sim.add_argument(
        "--socket",
        nargs="?",
        const="",
        metavar="PATH",
        help="also listen there for `station ctl`; without PATH at the place where it looks",
    )
    _add_sim_security(sim)
    sim.add_argument(
        "--no-panel", dest="panel", action="store_false", help="no front panel in the browser, and no REST"
    )
    listen.add(sim, port=8180, what="the front panel")
    sim.set_defaults(handler=_sim)


def _add_sim_security(sim: argparse.ArgumentParser) -> None:
    group = sim.add_argument_group("security, towards --csms")
    group.add_argument(
        "--profile",
        type=int,
        choices=(0, 1, 2, 3),
        help="security profile: 1 password, 2 TLS and password, 3 TLS with a station certificate (default: what is given)",
    )
    group.add_argument("--ca", type=Path, metavar="FILE", help="roots to trust (PEM; default: those of the system)")
    group.add_argument("--cert", type=Path, metavar="FILE", help="the station's certificate chain (PEM), for profile 3")
    group.add_argument("--key", type=Path, metavar="FILE", help="its private key (PEM)")
    group.add_argument(
        "--pki",
        type=Path,
        metavar="DIR",
        help="a test PKI (`station pki make DIR`) instead: its CSMS root is trusted, and with profile 3 the station's certificate "
        "is taken from it, made if missing",
    )
    group.add_argument(
        "--secure-url",
        metavar="URL",
        help="where the same CSMS speaks TLS (wss://), for an upgrade from ws:// in OCPP 1.6",
    )


def _sim(arguments: argparse.Namespace) -> int:
    from station.sim.options import SimOptions
    from station.sim.security_options import SecurityOptions
    from station.sim.terminal import run_sim

    # A foreign CSMS lives in real time, and so does the station by default: time stamps and energy then agree there.
    usual = 1.0 if arguments.csms is not None or arguments.wire else None if arguments.stdio else 10.0
    run = run_sim
    if arguments.stdio:
        from station.sim.stdio import run_stdio as run
    return run(
        SimOptions(
            version=arguments.ocpp,
            csms_url=arguments.csms,
            identity=arguments.id,
            password_file=arguments.password_file,
            token=arguments.token,
            speed=getattr(arguments, "speed", usual),
            evses=arguments.evses,
            wire=arguments.wire,
            station_max_a=arguments.station_max,
            seed=arguments.seed,
            folder=arguments.store,
            demo=arguments.demo,
            plain=arguments.plain,
            duration_s=arguments.duration,
            socket=_socket(arguments.socket),
            panel=listen.options(arguments) if arguments.panel else None,
            security=SecurityOptions(
                profile=arguments.profile,
                ca=arguments.ca,
                cert=arguments.cert,
                key=arguments.key,
                pki=arguments.pki,
                secure_url=arguments.secure_url,
            ),
        )
    )


def _socket(path: str | None) -> Path | None:
    """Where --socket wants it; None when it was not given. Raises ConfigError."""
    if path is None:
        return None
    from station.runtime.control_path import own_path

    return own_path(path, os.environ)


def _add_play(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    play = commands.add_parser(
        "play", help="play a scenario on virtual time and give a verdict", description="Exit code 0: passed, 1: failed."
    )
    play.add_argument("scenario", nargs="?", help="a TOML file, or the name of a shipped scenario; none: list them")
    play.add_argument("--ocpp", choices=VERSIONS, help="only in this version (default: every one that it claims)")
    play.add_argument("--seed", metavar="TEXT", help="instead of the scenario's own")
    play.add_argument(
        "--speed",
        type=_speed,
        metavar="N|max",
        help="station seconds per second, to watch it (default: max, as fast as possible)",
    )
    play.add_argument("--plain", action="store_true", help="no colours, byte for byte the same for the same seed")
    play.set_defaults(handler=_play)


def _play(arguments: argparse.Namespace) -> int:
    from station.sim import play

    if arguments.scenario is None:
        for name, title in play.shipped():
            print(f"{name:<28} {title}")
        return OK
    return play.main(
        arguments.scenario, seed=arguments.seed, ocpp=arguments.ocpp, plain=arguments.plain, speed=arguments.speed
    )


def _add_run(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    run = commands.add_parser("run", help="run the station on real hardware (firmware)")
    run.add_argument("--config", required=True, type=Path, metavar="FILE", help="the station's TOML file")
    run.set_defaults(handler=_run)


def _run(arguments: argparse.Namespace) -> int:
    from station import firmware, logs

    settings = firmware.load_settings(arguments.config)
    logs.set_up(settings.log.level, settings.log.format, os.environ)
    firmware.run(settings)
    return OK


def _add_check(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    check = commands.add_parser("check", help="tell every mistake of a configuration at once")
    check.add_argument("config", type=Path, metavar="FILE", help="the station's TOML file")
    check.set_defaults(handler=_check)


def _check(arguments: argparse.Namespace) -> int:
    from station import firmware

    settings = firmware.load_settings(arguments.config)
    for line in firmware.about(settings):
        print(line)
    for warning in firmware.check(settings):
        print(f"warning: {warning}")
    count = len(settings.evse_numbers)
    evses = "1 EVSE" if count == 1 else f"{count} EVSEs"
    print(f"{arguments.config}: good, {evses}, OCPP {' then '.join(settings.csms.versions)}")
    return OK


def _add_config(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    config = commands.add_parser("config", help="help with configuration files")
    config.add_argument(
        "what",
        choices=("example", "drivers"),
        help="example: print a commented file; drivers: the hardware that it may name",
    )
    config.set_defaults(handler=_config)


def _config(arguments: argparse.Namespace) -> int:
    if arguments.what == "drivers":
        from station import firmware

        print("\n".join(f"{what}: {', '.join(names)}" for what, names in firmware.device_names().items()))
        return OK
    from station.config_doc import example

    print(example(), end="")
    return OK


def _add_store(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    store = commands.add_parser(
        "store",
        help="look into the database of a station that does not run",
        description="queue: records that wait for the CSMS. dead: records given up, and why. recover: save what can be "
        "read of a damaged file into a new one; the damaged file is kept.",
    )
    store.add_argument("what", choices=("queue", "dead", "recover"), help="what to look at, or to do")
    store.add_argument("database", type=Path, metavar="FILE", help="the station's database")
    store.set_defaults(handler=_store)


def _store(arguments: argparse.Namespace) -> int:
    from station.store import show

    text = show.MAKERS[arguments.what](arguments.database)
    print(text, end="")
    if not text:
        print(f"{arguments.database}: {show.NOTHING[arguments.what]}", file=sys.stderr)
    return OK


if __name__ == "__main__":
    sys.exit(main())
