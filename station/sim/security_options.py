"""How the station of `station sim` connects: security profile, roots, its own certificate. Read, checked, every mistake named."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from station.errors import ConfigError, SecurityError
from station.security.tls import TlsSettings, client_context

__all__ = ["PROFILE_WORDS", "SecurityOptions", "SimSecurity", "read_security"]

PROFILE_WORDS = ("no security", "a password", "TLS and a password", "TLS and a station certificate")
WITH_PASSWORD = (1, 2)


@dataclass(frozen=True, slots=True)
class SecurityOptions:
    """The command line. profile: 0 to 3, None for what the address and the other options make of it (A00).

    ca: roots to trust. cert, key: the station's certificate chain and its key. All PEM. pki: a folder of `station pki make` instead of
    these. secure_url: where the same CSMS speaks TLS, for an upgrade.
    """

    profile: int | None = None
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    pki: Path | None = None
    secure_url: str | None = field(default=None, repr=False)  # may hold a token


@dataclass(frozen=True, slots=True)
class SimSecurity:
    """What is made of it: fields of `LabSettings`."""

    security_profile: int | None = None
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    secure_url: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Around:
    """The other options that matter here. csms_url: None for the embedded CSMS. stored: the folder of --store holds a certificate."""

    csms_url: str | None
    identity: str
    password: bool
    stored: bool = False


def read_security(
    options: SecurityOptions, csms_url: str | None, identity: str, *, password: bool, folder: Path | None, wall: float
) -> SimSecurity:
    """Raises ConfigError with every mistake, by option. A PKI lacks the station's certificate: it is made. wall: now, seconds.

    password: there is one. folder: of --store; a certificate that an earlier run has got there is as good as --cert.
    """
    stored = folder is not None and any((folder / "certificates" / "station").glob("*.pem"))
    around = Around(csms_url, identity, password, stored)
    problems = [*_address(options, around), *_proof(options, around)]
    if csms_url is not None:
        problems += _files(options)
    files = SimSecurity(options.profile, _text(options.ca), _text(options.cert), _text(options.key), options.secure_url)
    if options.pki is not None and not problems:
        try:
            files = _from_pki(options, options.pki, around, wall)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return files


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _scheme(url: str) -> str:
    return url.partition(":")[0].lower()


def _address(options: SecurityOptions, around: Around) -> Iterable[str]:
    """Profile and address must agree."""
    if around.csms_url is None:
        yield from _without_csms(options)
        return
    scheme = _scheme(around.csms_url)
    if options.profile is not None and scheme in ("ws", "wss"):
        wanted = "wss" if options.profile >= 2 else "ws"
        if scheme != wanted:
            yield f"--csms: must begin with {wanted}:// for --profile {options.profile}"
    if options.secure_url is not None:
        if (
            _scheme(options.secure_url) != "wss"
            or "@" in options.secure_url
            or len(options.secure_url) <= len("wss://")
        ):
            yield "--secure-url: must be an address like wss://csms.example.com/ocpp, without user and password"
        if scheme == "wss":
            yield "--secure-url: is for an upgrade from ws://, and --csms begins with wss:// already"


def _without_csms(options: SecurityOptions) -> Iterable[str]:
    if options.profile is not None and options.profile >= 2:
        yield f"--profile: {options.profile} needs --csms: the embedded CSMS speaks no TLS; `station csms` does"
    for name, value in (
        ("--ca", options.ca),
        ("--cert", options.cert),
        ("--key", options.key),
        ("--pki", options.pki),
        ("--secure-url", options.secure_url),
    ):
        if value is not None:
            yield f"{name}: needs --csms: the embedded CSMS speaks no TLS; `station csms` does"


def _proof(options: SecurityOptions, around: Around) -> Iterable[str]:
    """What the profile needs to prove the station, and what contradicts itself."""
    profile = options.profile
    if profile in WITH_PASSWORD and not around.password:
        yield f"--password-file: is missing; --profile {profile} proves the station by a password"
    if profile in (0, 3) and around.password:
        yield f"--password-file: --profile {profile} has no password"
    if options.cert is not None and options.key is None:
        yield "--key: is missing; --cert needs its private key"
    if options.key is not None and options.cert is None:
        yield "--cert: is missing; --key needs the certificate that belongs to it"
    if profile == 3 and not (options.cert or options.pki or around.stored):
        yield "--cert: is missing; --profile 3 needs --cert and --key, or --pki, or a --store with a certificate"
    if options.pki is not None:
        for name, value in (("--ca", options.ca), ("--cert", options.cert), ("--key", options.key)):
            if value is not None:
                yield f"{name}: --pki brings it already; give one of them"


def _files(options: SecurityOptions) -> Iterable[str]:
    """Files that cannot be read, or are not what they should be."""
    if options.ca is not None:
        yield from _tried("--ca", options.ca, TlsSettings(ca_file=str(options.ca)), "it holds no certificates in PEM")
    if options.cert is not None and options.key is not None:
        unreadable = [*_unreadable("--cert", options.cert), *_unreadable("--key", options.key)]
        yield from unreadable
        if not unreadable:
            both = TlsSettings(cert_file=str(options.cert), key_file=str(options.key))
            words = f"no certificate chain in PEM that belongs to {options.key}"
            yield from _tried("--cert", options.cert, both, words)


def _unreadable(name: str, file: Path) -> Iterable[str]:
    try:
        file.open("rb").close()
    except OSError as error:
        yield f"{name}: cannot read {file}: {error.strerror}"


def _tried(name: str, file: Path, settings: TlsSettings, otherwise: str) -> Iterable[str]:
    unreadable = list(_unreadable(name, file))
    yield from unreadable
    if unreadable:
        return
    try:
        client_context(settings)
    except (ssl.SSLError, SecurityError):
        yield f"{name}: {file}: {otherwise}"
    except OSError as error:
        yield f"{name}: cannot read {file}: {error.strerror}"


def _from_pki(options: SecurityOptions, folder: Path, around: Around, wall: float) -> SimSecurity:
    """Raises ConfigError. The root is there, or it is no PKI: making one by the way would be trusted by nobody."""
    if not (folder / "csms" / "root.pem").is_file():
        raise ConfigError([f"--pki: {folder} is no test PKI; make one with: station pki make {folder}"])
    from station.security.testpki import TestPki  # heavy, and most runs have no PKI

    pki = TestPki(wall, folder)
    try:
        root = pki.csms_root.pem_file
        own = pki.station(around.identity) if options.profile == 3 else None
    except (SecurityError, OSError) as error:
        raise ConfigError([f"--pki: {folder} cannot be used: {error}"]) from error
    return SimSecurity(
        options.profile,
        root,
        None if own is None else own.cert_file,
        None if own is None else own.key_file,
        options.secure_url,
    )
