"""`station pki`: a test PKI, and a look at certificates."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from station.security.testpki import TestPki

OK, FAILED = 0, 1
HASHES = ("SHA256", "SHA384", "SHA512")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `pki` to the command line."""
    pki = commands.add_parser("pki", help="make a test PKI, look at certificates, check them")
    what = pki.add_subparsers(title="what", required=True, metavar="WHAT")

    make = what.add_parser(
        "make",
        help="a complete test PKI",
        description="CSMS, stations, manufacturer, V2G, mobility operator and car maker, for ISO 15118-2 and -20, and defective ones "
        "for tests. What is there already is kept, so stations can be added later. For test benches only: all keys lie in the folder.",
    )
    make.add_argument("folder", type=Path, metavar="DIR", help="where it is kept; only you can read it")
    make.add_argument(
        "--host",
        action="append",
        metavar="NAME",
        help="name or address of the CSMS, may be repeated; besides localhost",
    )
    make.add_argument(
        "--station", action="append", metavar="ID", help="a station that gets a certificate, may be repeated"
    )
    make.add_argument("--organisation", metavar="NAME", help="the operator's name, O of every certificate")
    make.set_defaults(handler=_make)

    show = what.add_parser(
        "show",
        help="what is in PEM files",
        description="Certificates, signing requests, revocation lists; of keys only what they are. With the issuer's file beside it, "
        "also the hash data by which OCPP names a certificate.",
    )
    show.add_argument("files", nargs="+", type=Path, metavar="FILE", help="PEM files")
    show.add_argument("--hash", choices=HASHES, default="SHA256", help="for the hash data (default: SHA256)")
    show.set_defaults(handler=_show)

    check = what.add_parser(
        "check",
        help="what is wrong in a folder of certificates",
        description="Dates, chains up to a root in the folder, strength, keys and who may read them. "
        "Exit code 1 when something is wrong.",
    )
    check.add_argument("folder", type=Path, metavar="DIR", help="a PKI, or the certificates of a station")
    check.set_defaults(handler=_check)


def _wall() -> float:
    from station.clock import Clock

    return Clock().now().wall


def _make(arguments: argparse.Namespace) -> int:
    from station.security.testpki import HOSTS, ORGANISATION, TestPki

    hosts = dict.fromkeys([*(arguments.host or ()), *HOSTS])
    pki = TestPki(_wall(), arguments.folder, organisation=arguments.organisation or ORGANISATION, hosts=tuple(hosts))
    stations = tuple(dict.fromkeys(arguments.station or ()))
    made = pki.make_all(stations)
    _tell_old_names(pki, hosts)
    bad = sum(name.startswith("bad/") for name in made)
    print(f"{len(made)} certificates in {arguments.folder} ({bad} of them defective on purpose, in bad/)")
    print(f"stations trust   {pki.csms_root.pem_file}")
    print(f"the CSMS shows   {pki.server.cert_file}")
    print(f"with the key     {pki.server.key_file}")
    for station in stations:
        one = pki.station(station)
        print(f"{station} shows {one.cert_file} with the key {one.key_file}")
    return OK


def _tell_old_names(pki: TestPki, hosts: Iterable[str]) -> None:
    """A server certificate that was made earlier keeps its names."""
    from station.errors import SecurityError
    from station.security.chain import host_matches

    missing = [host for host in hosts if not host_matches(pki.server.certificate, host)]
    if missing and pki.folder is not None:
        raise SecurityError(
            f"{pki.server.pem_file} was made earlier and is not for {', '.join(missing)}: "
            f"delete {pki.folder / 'csms'}/server* and {pki.folder / 'bad'}/server*, then repeat"
        )


def _show(arguments: argparse.Namespace) -> int:
    from station.security.show import show

    print(show(arguments.files, _wall(), arguments.hash), end="")
    return OK


def _check(arguments: argparse.Namespace) -> int:
    from station.security.show import check, defective

    count, found = check(arguments.folder, _wall())
    for finding in found:
        print(f"{'wrong' if finding.bad else 'note'}: {finding.file}: {finding.words}")
    bad = sum(finding.bad for finding in found)
    left_out = defective(arguments.folder)
    print(
        f"{count} certificates, {f'{bad} wrong' if bad else 'all good'}"
        + (f"; {left_out} defective ones in bad/ left out" if left_out else "")
    )
    return FAILED if bad or not count else OK
