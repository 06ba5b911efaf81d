"""`station csms` over real HTTP: calls documented from the schemas, uploads, the program as a whole, with and without TLS."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import ocpp.v16.enums
import ocpp.v201.enums
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from station.cli import csms as command_line
from station.clock import Clock
from station.security.testpki import TestPki
from station.security.tls import TlsSettings, client_context
from station.sim.csms import EmbeddedCsms
from station.sim.csms_actions import CALLS, call_paths
from station.sim.csms_control import CsmsControl
from station.sim.csms_host import CsmsHost, FrameBook, Uploads
from station.sim.csms_rest import application_of
from station.sim.csms_serve import WEB_PORT, signer_of
from station.sim.csms_v16 import Point16
from station.sim.csms_v201 import Point201
from station.web.bridge import Bridge
from station.web.server import serve_app
from station.web.settings import WebSettings
from tests.sim.bare_station import Station, both
from tests.sim.test_csms_wire import dialled

REFUSED = (OSError, EOFError, WebSocketException)  # TLS 1.3 tells a client late that it is not wanted
SECRET = "s3cr3t"
TOKEN = "0123456789abcdef-token"


@contextlib.asynccontextmanager
async def served(token: str | None = None) -> AsyncIterator[tuple[CsmsHost, httpx.AsyncClient]]:
    async with EmbeddedCsms(tokens=["04AA"]) as csms:
        host = CsmsHost(csms, FrameBook(csms), Uploads())
        control = CsmsControl(host)
        bridge = Bridge(control, asyncio.get_running_loop())
        app = application_of(bridge, host, secret=SECRET, token_needed=token is not None)
        free = f"/upload/{SECRET}/"
        async with (
            serve_app(app, WebSettings(port=0, token=token), closing=bridge.close, free=free) as url,
            httpx.AsyncClient(base_url=url, trust_env=False) as http,
        ):
            yield host, http
        control.close()


def test_every_message_goes_one_way_or_the_other() -> None:
    """Together with what the CSMS answers, the list holds every message that a version has (DataTransfer goes both ways)."""
    for version, point, enums in (("1.6", Point16, ocpp.v16.enums), ("2.0.1", Point201, ocpp.v201.enums)):
        answered = {value._on_action for value in vars(point).values() if hasattr(value, "_on_action")}
        everything = {action.value for action in enums.Action}
        assert CALLS[version] | answered == everything
        assert CALLS[version] & answered == {"DataTransfer"}


def test_the_document_of_calls_is_whole() -> None:
    paths, schemas = call_paths()
    assert len(paths) == len(CALLS["1.6"] | CALLS["2.0.1"])
    text = json.dumps([paths, schemas])
    references = set(re.findall(r"#/components/schemas/([^\"]+)", text))
    assert references <= schemas.keys()
    assert "#/definitions/" not in text
    reset = {**schemas["v201.ResetRequest"], "components": {"schemas": schemas}}
    jsonschema.validate({"type": "Immediate"}, reset)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"type": "Sometime"}, reset)


@both
async def test_a_call_by_its_own_path(version: str) -> None:
    async with served() as (host, http), dialled(host.csms, version) as station:
        await station.boot()
        station.answers["Reset"] = {"status": "Accepted"}
        good = {"type": "Soft"} if version == "1.6" else {"type": "Immediate"}
        answer = await http.post("/call/CS1/Reset", json=good)
        assert answer.json() == {"result": {"payload": {"status": "Accepted"}, "error": None}}
        wrong = await http.post("/call/CS1/Reset", json={"type": "Sometime"})
        assert (wrong.status_code, wrong.json()["problems"][0]["field"]) == (400, "payload.type")
        assert (await http.post("/call/CS2/Reset", json=good)).status_code == 400
        station.answers["Reset"] = lambda frame: station.send(json.dumps([4, frame[1], "NotSupported", "", {}]))
        refused = (await http.post("/call/CS1/Reset?check=false&within=5", json={"type": 7})).json()["result"]
        assert refused["error"]["code"] == "NotSupported"
        station.answers.pop("Reset")
        silent = await http.post("/call/CS1/Reset?within=0.1", json=good)
        assert silent.status_code == 409


async def test_the_document_is_served_with_the_calls() -> None:
    async with served() as (_, http):
        document = (await http.get("/openapi.json")).json()
        assert "/call/{station}/SetVariables" in document["paths"]
        assert "/api/v1/do/fault" in document["paths"]
        assert document["info"]["title"] == "Pilotwire CSMS"


async def test_stations_upload_files_without_a_token() -> None:
    async with served(TOKEN) as (host, http):
        assert (await http.put("/upload/wrong/a.log", content=b"x")).status_code == 401
        sent = await http.put(f"/upload/{SECRET}/a.log", content=b"lines")
        assert sent.status_code == 201
        mine = {"authorization": f"Bearer {TOKEN}"}
        got = await http.get("/file/a.log", headers=mine)
        assert (got.content, got.headers["content-type"]) == (b"lines", "application/octet-stream")
        assert (await http.get("/file/b.log", headers=mine)).status_code == 404
        huge = await http.put(f"/upload/{SECRET}/b.log", content=b"x" * (Uploads.MOST_BYTES + 1))
        assert huge.status_code == 413
        assert [file.name for file in host.uploads.all()] == ["a.log"]


# --- the program ------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def program(*arguments: str) -> Iterator[tuple[str, str, subprocess.Popen[str]]]:
    """The running program: (where stations connect, REST, the process)."""
    command = [sys.executable, "-m", "station", "csms", "--bind", "127.0.0.1:0", "--listen", "127.0.0.1:0", *arguments]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    try:
        lines = [process.stdout.readline(), process.stdout.readline()]
        found = [re.search(r"(wss?|https?)://\S+?(?=/THEIR-ID|\s)", line) for line in lines]
        assert all(found), [*lines, process.stdout.read()]
        yield *(match[0] for match in found if match), process  # type: ignore[misc]  # there are two of them
    finally:
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=10)
        assert process.returncode == 0, rest


async def test_the_program_serves_a_station() -> None:
    with program("--token", "04CC", "--boot", "Pending", "--boot", "Accepted") as (stations, rest, _):
        async with connect(f"{stations}/CS7", subprotocols=[Subprotocol("ocpp1.6")]) as websocket:
            boot: dict[str, Any] = {"chargePointVendor": "V", "chargePointModel": "M"}
            for wanted in ("Pending", "Accepted"):
                await websocket.send(json.dumps([2, wanted, "BootNotification", boot]))
                assert json.loads(await websocket.recv())[2]["status"] == wanted
            await websocket.send(json.dumps([2, "a", "Authorize", {"idTag": "04CC"}]))
            assert json.loads(await websocket.recv())[2]["idTagInfo"]["status"] == "Accepted"
            async with httpx.AsyncClient(base_url=rest, trust_env=False) as http:
                state = (await http.get("/api/v1/look/state")).json()["result"]["stations"]
                assert [row["id"] for row in state] == ["CS7"]


async def test_the_program_with_profile_3_signs_certificates(tmp_path: Path) -> None:
    pki = TestPki(Clock().now().wall, tmp_path)
    ours = pki.station("CS7")
    with program("--profile", "3", "--pki", str(tmp_path), "--only", "CS7") as (stations, rest, _):
        assert stations.startswith("wss://")
        trusted = client_context(
            TlsSettings(ca_file=pki.csms_root.pem_file, cert_file=ours.cert_file, key_file=ours.key_file)
        )
        nobody = client_context(TlsSettings(ca_file=pki.csms_root.pem_file))
        offer = [Subprotocol("ocpp2.0.1")]
        with pytest.raises(REFUSED):  # a station without a certificate
            async with connect(f"{stations}/CS7", subprotocols=offer, ssl=nobody) as websocket:
                await websocket.recv()
        async with connect(f"{stations}/CS7", subprotocols=offer, ssl=trusted) as websocket:
            station = Station("2.0.1")
            boot = {"reason": "PowerUp", "chargingStation": {"vendorName": "V", "model": "M"}}
            await websocket.send(json.dumps([2, "b", "BootNotification", boot]))
            assert json.loads(await websocket.recv())[2]["status"] == "Accepted"
            assert station.version == "2.0.1"
        async with httpx.AsyncClient(base_url=rest, trust_env=False) as http:
            assert (await http.post("/api/v1/do/refuse_tls", json={})).status_code == 200
            with pytest.raises(REFUSED):
                await connect(f"{stations}/CS7", subprotocols=offer, ssl=trusted)
            await http.post("/api/v1/do/clear_faults", json={})
        async with connect(f"{stations}/CS7", subprotocols=offer, ssl=trusted):
            pass


async def test_a_certificate_request_is_signed(tmp_path: Path) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    pki = TestPki(Clock().now().wall, tmp_path)
    names = [
        x509.NameAttribute(NameOID.COMMON_NAME, "CS1"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, pki.organisation),
    ]
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names))
    csr = request.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    text = csr.public_bytes(serialization.Encoding.PEM).decode()
    async with EmbeddedCsms(signer=signer_of(pki)) as csms, dialled(csms, "2.0.1") as station:
        await station.boot()
        station.answers["CertificateSigned"] = {"status": "Accepted"}
        assert (await station.ask("SignCertificate", {"csr": text}))["status"] == "Accepted"
        async with asyncio.timeout(5):
            while not any(frame[2] == "CertificateSigned" for frame in station.received if frame[0] == 2):
                await asyncio.sleep(0.01)
        assert (await station.ask("SignCertificate", {"csr": "nonsense"}))["status"] == "Rejected"
        assert csms.station("CS1").complaints


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--profile", "1"], "--password-file: is missing"),
        (["--profile", "2", "--password-file", "PASSWORD"], "--pki: is missing"),
        (["--profile", "3"], "--pki: is missing"),
        (["--profile", "0", "--password-file", "PASSWORD"], "security profile 0 has no password"),
        (["--cert", "PASSWORD"], "--key: is missing"),
        (["--password-file", "nowhere"], "--password-file: cannot read"),
        (["--bind", "here"], "must be HOST:PORT"),
        (["--listen", "0.0.0.0:0"], "--token-file"),
    ],
)
def test_wrong_arguments_are_named(arguments: list[str], words: str, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("0123456789abcdef\n")
    given = [str(file) if argument == "PASSWORD" else argument for argument in arguments]
    command = [sys.executable, "-m", "station", "csms", "--bind", "127.0.0.1:0", "--listen", "127.0.0.1:0", *given]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert words in done.stderr


def test_the_command_line_is_as_the_program_has_it() -> None:
    assert set(command_line.VERSIONS) == set(CALLS)
    assert command_line.WEB_PORT == WEB_PORT
