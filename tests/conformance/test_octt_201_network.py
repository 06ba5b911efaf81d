"""OCTT cases about network connection profiles and security profiles, on virtual time (blocks A and B).

TLS itself is proved over real sockets before a foreign CSMS in tests/interop/test_security_profiles.py.
"""

from __future__ import annotations

from station.core.events import CredentialsChanged
from station.core.types import Credentials
from station.sim.csms import Refusal
from tests.conformance.stage201 import Payload, Stage201, octt, variable

PASSWORD, NEW = "correct-horse-battery", "another-horse-battery"
PRIORITY = "OCPPCommCtrlr.NetworkConfigurationPriority"
ACTIVE = "OCPPCommCtrlr.ActiveNetworkProfile"
SECURITY = "SecurityCtrlr.SecurityProfile"
ATTEMPTS = {"OCPPCommCtrlr.NetworkProfileConnectionAttempts": "3"}
BOTH = Credentials(csms_roots=1, station_certificate=True, entries=2)


async def configure(
    s: Stage201, slot: int, url: str = "ws://other", profile: int = 1, status: str = "Accepted", **more: object
) -> Payload:
    data: Payload = {
        "ocppVersion": "OCPP20",
        "ocppTransport": "JSON",
        "ocppCsmsUrl": url,
        "messageTimeout": 30,
        "securityProfile": profile,
        "ocppInterface": "Wired0",
        **more,
    }
    return await s.ask(status, "SetNetworkProfile", {"configurationSlot": slot, "connectionData": data})


async def reset(s: Stage201) -> None:
    boots = s.lab.boots
    await s.ask("Accepted", "Reset", {"type": "OnIdle"})
    await s.booted(boots + 1)


def told(s: Stage201, credentials: Credentials) -> None:
    """What the certificate store would tell."""
    s.lab.running.gateway.submit(CredentialsChanged(credentials))


@octt(password=PASSWORD)
async def test_tc_a_09_a_new_password(s: Stage201) -> None:
    """A01: Accepted, and the station comes back."""
    connections = s.seen.connections
    await s.set("SecurityCtrlr.BasicAuthPassword", NEW)
    await s.until(lambda: s.seen.connections > connections, "the connection with the new password")
    await s.until(lambda: s.lab.view().online, "the station to be back")
    assert not s.lab.view().network.unproven
    (refused,) = await s.get("SecurityCtrlr.BasicAuthPassword")
    assert refused["attributeStatus"] == "Rejected"  # A01.FR.11: never told


@octt(password=PASSWORD)
async def test_tc_a_10_a_password_that_cannot_be(s: Stage201) -> None:
    """Too long, and too short (A00.FR.205): refused, and nothing happens."""
    for wrong in ("x" * 41, "x" * 15):
        await s.set("SecurityCtrlr.BasicAuthPassword", wrong, "Rejected")
    await s.rest(10)
    assert s.seen.connections == 1


@octt(ATTEMPTS, password=PASSWORD)
async def test_tc_a_19_a_higher_security_profile(s: Stage201) -> None:
    """A05.FR.04-06: after the restart it is in force, and the lower one is gone."""
    told(s, BOTH)
    await configure(s, 2, "wss://embedded", 2)
    await s.set(PRIORITY, "2,1")
    assert await s.value(SECURITY) == "1"
    await reset(s)
    assert (await s.value(SECURITY), await s.value(ACTIVE), await s.value(PRIORITY)) == ("2", "2", "2")


@octt(password=PASSWORD)
async def test_tc_a_20_no_root_certificate(s: Stage201) -> None:
    """A05.FR.02."""
    await configure(s, 2, "wss://embedded", 2)
    result = await s.set(PRIORITY, "2,1", "Rejected")
    assert result["attributeStatusInfo"]["reasonCode"] == "InvalidNetworkConf"
    assert (await s.value(SECURITY), await s.value(PRIORITY)) == ("1", "1")


@octt(password=PASSWORD)
async def test_tc_a_21_no_station_certificate(s: Stage201) -> None:
    """A05.FR.03."""
    told(s, Credentials(csms_roots=1, entries=1))
    await configure(s, 2, "wss://embedded", 3)
    await s.set(PRIORITY, "2,1", "Rejected")
    assert s.seen.connections == 1


@octt(password=PASSWORD)
async def test_tc_a_22_no_lower_security_profile(s: Stage201) -> None:
    """A05.FR.10, B09.FR.04."""
    told(s, BOTH)
    await configure(s, 3, "ws://other", 1)
    await configure(s, 2, "wss://embedded", 2)
    await s.set(PRIORITY, "2,1")
    await reset(s)
    answer = await configure(s, 3, "ws://other", 1, "Rejected")
    assert answer["statusInfo"]["reasonCode"] == "NoSecurityDowngrade"
    await s.set(PRIORITY, "3", "Rejected")
    assert await s.value(SECURITY) == "2"


@octt(password=PASSWORD)
async def test_tc_b_43_what_is_wrong_is_rejected(s: Stage201) -> None:
    """B09.FR.02, FR.05."""
    answer = await configure(s, 9, status="Rejected")
    assert answer["statusInfo"]["reasonCode"] == "InvalidConfSlot"
    answer = await configure(s, 2, "http://embedded", status="Rejected")
    assert answer["statusInfo"]["reasonCode"] == "InvalidNetworkConf"
    answer = await configure(s, 2, ocppTransport="SOAP", status="Rejected")
    assert answer["statusInfo"]["reasonCode"] == "InvalidNetworkConf"
    listed = await s.call("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})
    assert listed == {"status": "Accepted"}


@octt(password=PASSWORD)
async def test_tc_b_45_to_another_csms(s: Stage201) -> None:
    """B10.FR.01, FR.04, FR.06: after the restart, and with a BootNotification."""
    await configure(s, 2, "ws://other")
    await s.set(PRIORITY, "2,1")
    assert s.seen.connections == 1
    s.from_now()
    s.lab.network.dialled.clear()
    await reset(s)
    assert list(s.lab.network.dialled) == ["ws://other"]
    assert await s.value(ACTIVE) == "2"
    assert (await s.told("BootNotification"))["reason"] in ("RemoteReset", "ScheduledReset")


@octt({**ATTEMPTS, "OCPPCommCtrlr.NetworkProfileConnectionAttempts": "2"}, password=PASSWORD)
async def test_tc_b_46_back_to_the_second_in_the_list(s: Stage201) -> None:
    """B10.FR.03: NetworkProfileConnectionAttempts, then the next entry."""
    await configure(s, 2, "ws://other")
    await s.set(PRIORITY, "2,1")
    s.lab.network.absent.add("ws://other")
    s.lab.network.dialled.clear()
    await reset(s)
    assert list(s.lab.network.dialled) == ["ws://other", "ws://other", "ws://embedded"]
    assert await s.value(ACTIVE) == "1"
    # B10.FR.03, 2025-04: a lost connection is made again there, and then by the list.
    s.lab.network.absent |= {"ws://embedded"}
    s.lab.network.dialled.clear()
    await s.offline()
    s.lab.network.absent.discard("ws://other")
    s.lab.network.restore()
    await s.until(lambda: s.lab.view().online, "the other CSMS")
    assert list(s.lab.network.dialled) == ["ws://embedded", "ws://embedded", "ws://other"]
    assert await s.value(ACTIVE) == "2"


@octt(ATTEMPTS, password=PASSWORD)
async def test_tc_b_49_back_to_the_one_that_worked(s: Stage201) -> None:
    """B10.FR.07: it is not in the list any more, and no other entry answers."""
    await configure(s, 2, "ws://other")
    await s.set(PRIORITY, "2")
    s.lab.network.absent.add("ws://other")
    s.lab.network.dialled.clear()
    await reset(s)
    assert list(s.lab.network.dialled) == ["ws://other"] * 3 + ["ws://embedded"]
    assert await s.value(ACTIVE) == "1"


@octt(password=PASSWORD)
async def test_tc_b_57_after_a_lost_connection(s: Stage201) -> None:
    """Part 4, 5.3: the same CSMS again, without a BootNotification."""
    s.from_now()
    await s.offline()
    await s.rest(20)
    await s.online()
    await s.rest(10)
    assert s.calls("BootNotification") == []
    assert await s.value(ACTIVE) == "1"


@octt(password=PASSWORD)
async def test_the_list_names_filled_slots_only(s: Stage201) -> None:
    """B10.FR.02."""
    for order in ("3,1", "1,9", ""):
        await s.set(PRIORITY, order, "Rejected")
    data = {**variable(PRIORITY), "attributeValue": "1"}
    answer = await s.csms.call(s.id, "SetVariables", {"setVariableData": [data]})
    assert not isinstance(answer, Refusal)
    assert answer["setVariableResult"][0]["attributeStatus"] == "Accepted"
