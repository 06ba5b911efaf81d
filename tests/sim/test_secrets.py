"""Secrets planted wherever a station can get one are found nowhere that people or a CSMS's technicians look."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from station.runtime.archive import write
from station.runtime.control import TABLE
from station.security.testpki import TestPki
from station.sim.csms import EmbeddedCsms
from station.sim.csms_serve import signer_of
from station.sim.lab import Lab, LabSettings
from station.sim.terminal import place
from tests.web.served import Served, served

ID = "CS1"
TOPICS = "state,frame,fact,refused,command"
SECRETS = {
    "the configured password": "configured-horse-battery",
    "a password of the CSMS": "chosen-by-csms-horse-42",
    "a password of a technician": "technicians-horse-battery",
    "the password of an APN": "apn-password-s3cr3t",
    "the PIN of a SIM": "48151623",
    "the key of a VPN": "vpn-key-s3cr3t-42",
    "the password of a VPN": "vpn-password-s3cr3t",
    "the PIN of a person": "73914682",
    "a user of a file server": "ftp-user-s3cr3t",
    "the password of a file server": "ftp-password-s3cr3t",
    "a token in an address": "query-token-s3cr3t",
}
PRIVATE_KEY = "PRIVATE KEY-----"


@dataclass
class Seen:
    """Everything that somebody could look at, by where it was."""

    texts: list[tuple[str, str]] = field(default_factory=list)

    def add(self, where: str, what: object) -> None:
        self.texts.append((where, what if isinstance(what, str) else json.dumps(what, default=repr)))

    def found(self, secrets: list[str]) -> list[str]:
        return [
            f"{where}: {secret} in {text[:300]}" for where, text in self.texts for secret in secrets if secret in text
        ]


@dataclass
class Site:
    lab: Lab
    csms: EmbeddedCsms
    web: Served
    seen: Seen
    root: str

    async def call(self, action: str, payload: dict[str, Any]) -> Any:
        """The CSMS calls; what it is answered goes back to it, so it is no place to look for its own secrets."""
        await self.csms.wait_connected(ID)
        return await self.csms.call(ID, action, payload)

    async def do(self, name: str, **arguments: Any) -> None:
        answer = await self.web.do(name, **arguments)
        self.seen.add(f"answer to {name}", f"{answer.status_code} {answer.text}")


@asynccontextmanager
async def site(folder: Path, version: str, seen: Seen) -> AsyncIterator[Site]:
    """A real CSMS with a password over a real socket, a bench with a store, a real web server, its stream read to the end."""
    pki = TestPki(time.time(), organisation="Operator")
    async with EmbeddedCsms(["04AA"], websocket=True, signer=signer_of(pki), fast=True) as csms:
        settings = LabSettings(
            versions=(version,),
            csms_url=csms.url,
            identity=ID,
            password=SECRETS["the configured password"],
            secure_url=f"wss://127.0.0.1:9/ocpp?token={SECRETS['a token in an address']}",
            speed=20.0,
            folder=folder,
            variables={"SecurityCtrlr.OrganizationName": "Operator"},
        )
        async with Lab(settings) as lab, served(lab.control()) as web:

            async def stream() -> None:
                async with web.http.stream("GET", "/api/v1/events", params={"topics": TOPICS}) as answer:
                    async for line in answer.aiter_lines():
                        seen.add("stream of events", line)

            task = asyncio.create_task(stream())
            try:
                await until(lambda: lab.app is not None and lab.app.client.online)
                yield Site(lab, csms, web, seen, pki.csms_root.pem)
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


async def until(done: Any) -> None:
    async with asyncio.timeout(20):
        while not done():
            await asyncio.sleep(0.02)


def connection(url: str, **more: Any) -> dict[str, Any]:
    return {
        "ocppVersion": "OCPP20",
        "ocppTransport": "JSON",
        "ocppCsmsUrl": url,
        "messageTimeout": 30,
        "securityProfile": 1,
        "ocppInterface": "Wireless0",
        **more,
    }


async def plant_201(here: Site) -> None:
    await here.call("InstallCertificate", {"certificateType": "CSMSRootCertificate", "certificate": here.root})
    apn = {
        "apn": "internet",
        "apnUserName": "apn-user",
        "apnPassword": SECRETS["the password of an APN"],
        "simPin": int(SECRETS["the PIN of a SIM"]),
        "apnAuthentication": "CHAP",
    }
    vpn = {
        "server": "vpn.example.com",
        "user": "vpn-user",
        "password": SECRETS["the password of a VPN"],
        "key": SECRETS["the key of a VPN"],
        "type": "IKEv2",
    }
    url = f"ws://127.0.0.1:9/ocpp?token={SECRETS['a token in an address']}"
    for data, status in ((connection(url, apn=apn), "Accepted"), (connection(url, vpn=vpn), "Rejected")):
        answer = await here.call("SetNetworkProfile", {"configurationSlot": 2, "connectionData": data})
        assert answer["status"] == status
    await here.call("TriggerMessage", {"requestedMessage": "SignChargingStationCertificate"})
    log = {"remoteLocation": _file_server("logs/")}
    await here.call("GetLog", {"logType": "DiagnosticsLog", "requestId": 1, "log": log, "retries": 0})
    firmware = {"location": _file_server("firmware.bin"), "retrieveDateTime": "2026-01-01T00:00:00Z"}
    await here.call("UpdateFirmware", {"requestId": 2, "firmware": firmware, "retries": 0})
    # Last: with a new password it connects anew.
    for value in ("short", SECRETS["a password of the CSMS"]):
        item = {
            "component": {"name": "SecurityCtrlr"},
            "variable": {"name": "BasicAuthPassword"},
            "attributeValue": value,
        }
        await here.call("SetVariables", {"setVariableData": [item]})


async def plant_16(here: Site) -> None:
    root = {"certificateType": "CentralSystemRootCertificate", "certificate": here.root}
    await here.call("InstallCertificate", root)
    await here.call("ExtendedTriggerMessage", {"requestedMessage": "SignChargePointCertificate"})
    await here.call("GetDiagnostics", {"location": _file_server("logs/"), "retries": 0})
    update = {"location": _file_server("firmware.bin"), "retrieveDate": "2026-01-01T00:00:00Z", "retries": 0}
    await here.call("UpdateFirmware", update)
    await here.call("ChangeConfiguration", {"key": "AuthorizationKey", "value": SECRETS["a password of the CSMS"]})


def _file_server(path: str) -> str:
    user, password = SECRETS["a user of a file server"], SECRETS["the password of a file server"]
    return f"ftp://{user}:{password}@127.0.0.1:9/{path}"


async def plant_by_hand(here: Site) -> None:
    await here.do("pin", digits=SECRETS["the PIN of a person"])
    await here.do("plug")
    technician = SECRETS["a password of a technician"]
    await here.do("set", variables={"SecurityCtrlr.BasicAuthPassword": technician})
    await here.do("set_key", key="AuthorizationKey", value=technician)
    await here.do("set", variables={"SecurityCtrlr.BasicAuthPassword": technician, "Nobody.Knows": 1})
    await here.do("send_raw", text=json.dumps([2, "x", "Nonsense", {"password": technician}]))
    await here.do("send_raw", text=f'[2,"y","Nonsense",{{"password":"{technician}"')


async def look_everywhere(here: Site, folder: Path) -> None:
    lab, seen = here.lab, here.seen
    app = lab.running
    archive = app.files.archive if app.files is not None else pytest.fail("the bench has no files")
    for name in ("DiagnosticsLog", "SecurityLog"):
        snapshot = archive.snapshot(name, None, None)
        for member, content in snapshot.members.items():
            seen.add(f"{name}, {member}", content.decode())
        write(snapshot, folder / f"{name}.out")
    await here.web.look("help")
    for name, row in TABLE.items():
        if row.reads:
            arguments = {"variables": "SecurityCtrlr.BasicAuthPassword"} if name == "get" else {}
            arguments = {"keys": "AuthorizationKey"} if name == "get_key" else arguments
            answer = await here.web.look(name, **arguments)
            seen.add(f"look {name}", answer.text)
    for what in (app.setup, app.view(), lab.settings, app.client.connecting.settings(), app.model.definitions()):
        seen.add("repr", repr(what))
    seen.add("place", place(lab))


@pytest.mark.parametrize("version", ["2.0.1", "1.6"])
async def test_no_secret_is_shown(version: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "station")
    seen = Seen()
    store = tmp_path / "store"
    store.mkdir()
    async with site(store, version, seen) as here:
        here.lab.on_frame(lambda _wall, _direction, text, _action, _verdict: seen.add("frame", text))
        await (plant_201 if version == "2.0.1" else plant_16)(here)
        await plant_by_hand(here)
        await asyncio.sleep(0.5)
        await until(lambda: here.lab.app is not None and here.lab.app.client.online)
        await look_everywhere(here, tmp_path)
        await here.lab.restart()  # what was saved comes back
        await until(lambda: here.lab.app is not None and here.lab.app.client.online)
        await look_everywhere(here, tmp_path)
    for record in caplog.records:
        seen.add("log", record.getMessage() + (str(record.exc_info) if record.exc_info else ""))
    kept = b"".join(file.read_bytes() for file in sorted(store.rglob("*")) if file.is_file())
    assert SECRETS["a password of a technician"].encode() in kept, "they were planted"
    keys = list(store.rglob("*.key"))
    assert keys, "a key was made"
    assert all(file.stat().st_mode & 0o077 == 0 for file in keys)
    # The third line of an EC key is public: it is in the signing request too.
    bodies = [line for file in keys for line in file.read_text().splitlines()[1:3]]
    where = {place.partition(",")[0] for place, _ in seen.texts}
    assert where >= {"frame", "log", "stream of events", "DiagnosticsLog", "look state", "look frames", "repr"}
    assert seen.found([*SECRETS.values(), PRIVATE_KEY, *bodies]) == []
