"""`station csms`: the embedded CSMS alone, for any station, with REST and a page to click."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from station import logs
from station.clock import Clock
from station.errors import ConfigError, SecurityError
from station.runtime.control_types import Json
from station.security.api import LeafKind
from station.security.testpki import TestPki
from station.security.tls import server_context
from station.sim.csms import EmbeddedCsms
from station.sim.csms_control import CsmsControl
from station.sim.csms_host import CsmsHost, FrameBook, Uploads
from station.sim.csms_policy import Signer
from station.sim.lab import KNOWN_TOKENS
from station.sim.panel import PanelOptions
from station.sim.terminal import signals
from station.web.bridge import Bridge
from station.web.browser import has_desktop, show_page
from station.web.server import serve_app
from station.web.settings import WebSettings, read_settings

__all__ = ["CsmsOptions", "run_csms", "signer_of"]

WEB_PORT = 8190
KEEP_FRAMES = 20_000
NO_PANEL_OPTIONS = PanelOptions()


@dataclass(frozen=True, slots=True)
class CsmsOptions:
    """The command line of `station csms`.

    host, port: where stations connect. profile: security profile 0 to 3 (A00); 2 and 3 need `pki` or certificates. known: identities
    that may connect, empty for all. client_ca: roots of station certificates (profile 3). pki: folder made by `station pki make`.
    """

    host: str = "127.0.0.1"
    port: int = 9000
    versions: tuple[str, ...] = ("2.0.1", "1.6")
    tokens: tuple[str, ...] = KNOWN_TOKENS
    boot: tuple[str, ...] = ("Accepted",)
    known: tuple[str, ...] = ()
    profile: int | None = None
    password_file: Path | None = None
    pki: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None
    crl: Path | None = None
    panel: PanelOptions = NO_PANEL_OPTIONS
    frames: bool = True
    duration_s: float | None = None


def run_csms(options: CsmsOptions) -> int:
    """Run until Ctrl-C or SIGTERM. Raises ConfigError, SecurityError, OSError."""
    logs.set_up("WARNING", "text", os.environ)
    logging.getLogger("websockets").setLevel(logging.CRITICAL)  # refused handshakes are what a test CSMS is for
    password = _password(options)
    web = read_settings(
        options.panel.listen,
        options.panel.token_file,
        options.panel.tls_cert,
        options.panel.tls_key,
        default_port=WEB_PORT,
    )
    with _security(options) as (context, signer), contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(options, web, context, signer, password))
    return 0


def _password(options: CsmsOptions) -> str | None:
    """What every station must bring. Raises ConfigError when the profile wants one and there is none."""
    password = None
    if options.password_file is not None:
        try:
            password = options.password_file.read_text(encoding="utf-8").split("\n", 1)[0].strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError([f"--password-file: cannot read {options.password_file}: {error}"]) from error
        if not password:
            raise ConfigError([f"--password-file: the first line of {options.password_file} is empty"])
    if options.profile in {1, 2} and password is None:
        raise ConfigError(
            [f"--password-file: is missing; security profile {options.profile} asks every station for a password"]
        )
    if options.profile in {0, 3} and password is not None:
        raise ConfigError([f"--password-file: security profile {options.profile} has no password"])
    return password


@contextlib.contextmanager
def _security(options: CsmsOptions) -> Iterator[tuple[ssl.SSLContext | None, Signer | None]]:
    """TLS context and signer of certificate requests. Raises ConfigError and SecurityError."""
    tls = options.profile in {2, 3} or (options.profile is None and (options.pki or options.cert) is not None)
    if not tls:
        yield None, None
        return
    if options.cert is not None:
        yield _own(options), None
        return
    if options.pki is None:
        raise ConfigError([f"--pki: is missing; security profile {options.profile} needs it, or --cert and --key"])
    pki = TestPki(Clock().now().wall, options.pki)
    with tempfile.TemporaryDirectory(prefix="pilotwire-csms-") as folder:
        yield _from_pki(pki, Path(folder), client=options.profile == 3), signer_of(pki)


def _own(options: CsmsOptions) -> ssl.SSLContext:
    if options.cert is None or options.key is None:
        raise ConfigError(["--key: is missing; TLS needs both the certificate chain and its key, as PEM files"])
    if options.profile == 3 and options.client_ca is None:
        raise ConfigError(["--client-ca: is missing; security profile 3 needs the roots of the stations' certificates"])
    ca = str(options.client_ca) if options.profile == 3 else None
    try:
        return server_context(
            str(options.cert), str(options.key), client_ca_file=ca, crl_file=str(options.crl) if options.crl else None
        )
    except (OSError, ValueError) as error:
        raise ConfigError([f"--cert: {options.cert} with {options.key} cannot be used: {error}"]) from error


def _from_pki(pki: TestPki, folder: Path, *, client: bool) -> ssl.SSLContext:
    """The PKI's own server certificate; profile 3 believes its CSMS root and knows what was revoked."""
    crl = folder / "crl.pem"
    crl.write_text(pki.crls_pem(), encoding="ascii")
    roots = pki.csms_root.pem_file
    return server_context(
        pki.server.cert_file,
        pki.server.key_file,
        client_ca_file=roots if client else None,
        crl_file=str(crl) if client else None,
    )


def signer_of(pki: TestPki) -> Signer:
    """Signs what stations ask for (A02) with the CAs of a test PKI."""

    def sign(_station: str, csr: str, kind: str) -> str:
        try:
            return pki.sign_station_csr(csr, kind=LeafKind(kind))
        except SecurityError as error:
            raise ValueError(str(error)) from error

    return sign


async def _serve(
    options: CsmsOptions, web: WebSettings, context: ssl.SSLContext | None, signer: Signer | None, password: str | None
) -> None:
    csms = EmbeddedCsms(
        options.tokens,
        boot_status=options.boot,
        websocket=True,
        host=options.host,
        port=options.port,
        password=password,
        known=frozenset(options.known) or None,
        ssl=context,
        signer=signer,
        subprotocols=tuple(f"ocpp{version}" for version in options.versions),
        fast=True,
        keep_frames=KEEP_FRAMES,
    )
    async with contextlib.AsyncExitStack() as stack:
        ended = stack.enter_context(signals())
        await stack.enter_async_context(csms)
        host = CsmsHost(csms, FrameBook(csms), Uploads())
        control = CsmsControl(host)
        stack.callback(control.close)
        url = await stack.enter_async_context(_desk(control, web))
        print(f"stations connect to {csms.url}/THEIR-ID (OCPP {' or '.join(options.versions)})", flush=True)
        print(f"page and REST: {url} ({url}openapi.json says what can be done)", flush=True)
        if options.panel.browser or (options.panel.browser is None and has_desktop(os.environ) and os.isatty(1)):
            show_page(url)
        if options.frames:
            stack.callback(control.subscribe(frozenset({"frame"}), _show))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(options.duration_s):
                await ended


@contextlib.asynccontextmanager
async def _desk(control: CsmsControl, web: WebSettings) -> AsyncIterator[str]:
    """REST and page, while open; gives their address."""
    from station.sim.csms_rest import application_of

    bridge = Bridge(control, asyncio.get_running_loop())
    secret = secrets.token_urlsafe(12)
    app = application_of(bridge, control.host, secret=secret, token_needed=web.token is not None)
    async with serve_app(app, web, closing=bridge.close, free=f"/upload/{secret}/") as url:
        control.host.upload_url = f"{url}upload/{secret}/"
        yield url


def _show(row: Json) -> None:
    """One frame on one line."""
    arrow = "<" if row["direction"] == "received" else ">"
    verdict = "" if row["verdict"] == "ok" else f"  NOT VALID: {row['verdict']}"
    print(f"{row['time'][11:19]} {row['station']} {arrow} {row['text']}{verdict}", flush=True)
