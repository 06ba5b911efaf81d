"""Network connection profiles: slots, order, security that only rises, passwords on trial, and what a restart keeps."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.clock import Now
from station.core import networking
from station.core.components import standard_definitions
from station.core.device_model import DeviceModel
from station.core.effects import Effect, Reply, Save, SettingChanged
from station.core.events import (
    CredentialsChanged,
    Event,
    NetworkUsed,
    RaiseSecurityProfile,
    SaveFailed,
    SetNetworkProfile,
    SetVariables,
    VariableWrite,
)
from station.core.station import Station
from station.core.types import Credentials, EvseInfo, NetworkProfile, NetworkSetup, StopReason, Verdict
from station.core.view import NetworkView

PLAIN = NetworkProfile("ws://csms/ocpp", 1)
SECURE = NetworkProfile("wss://csms/ocpp", 2, "2.0.1", 30)
MUTUAL = NetworkProfile("wss://csms/mutual", 3)
FILE = NetworkSetup({1: PLAIN}, password=True)
EVERYTHING = Credentials(csms_roots=1, station_certificate=True, entries=2)
OLD, NEW, NEWER = "first-horse-battery", "second-horse-battery", "third-horse-battery"


class Bench:
    """A core, and the rows that it saved, as JSON keeps them."""

    def __init__(
        self,
        setup: NetworkSetup = FILE,
        rows: dict[str, dict[str, Any]] | None = None,
        overrides: dict[str, str] | None = None,
    ) -> None:
        self.rows = rows if rows is not None else {}
        infos = (EvseInfo(1),)
        saved = {key: row["value"] for key, row in self.rows.get("variable", {}).items()}
        self.model = DeviceModel(standard_definitions(infos, overrides or {}), saved)
        self.station = Station(infos, self.model, lambda: "id", network=setup)
        self.effects: list[Effect] = []
        self.ref = 0
        self._take(self.station.restore(self.rows, self.now, StopReason.REBOOT))

    now = Now(1.0, 1_780_000_000.0, 1)

    def _take(self, effects: list[Effect]) -> None:
        self.effects = effects
        for effect in effects:
            if isinstance(effect, Save):
                kind = self.rows.setdefault(effect.kind, {})
                if effect.value is None:
                    kind.pop(effect.key, None)
                else:
                    kind[effect.key] = json.loads(json.dumps(effect.value))

    def tell(self, event: Event) -> None:
        self._take(self.station.handle(event, self.now))

    def command(self, make: Any) -> Verdict:
        self.ref += 1
        self.tell(make(self.ref))
        return next(effect.verdict for effect in self.effects if isinstance(effect, Reply))

    def fill(self, slot: int, profile: NetworkProfile) -> tuple[str, str | None]:
        verdict = self.command(lambda ref: SetNetworkProfile(ref, slot, profile))
        return verdict.status, verdict.reason

    def set(self, component: str, variable: str, value: str) -> tuple[str, str | None]:
        write = VariableWrite(component, variable, value)
        results: Any = self.command(lambda ref: SetVariables(ref, (write,))).data["results"]
        return results[0].status, results[0].reason

    def prefer(self, order: str) -> tuple[str, str | None]:
        return self.set("OCPPCommCtrlr", "NetworkConfigurationPriority", order)

    def higher(self, profile: int) -> str:
        return self.command(lambda ref: RaiseSecurityProfile(ref, profile)).status

    def used(self, slot: int, password: str = "") -> None:
        self.tell(NetworkUsed(slot, self.network.slots[slot].security_profile, password))

    @property
    def network(self) -> NetworkView:
        return self.station.view(self.now).network

    @property
    def security_profile(self) -> int:
        return self.model.integer("SecurityCtrlr", "SecurityProfile")

    @property
    def priority(self) -> str:
        return self.model.text("OCPPCommCtrlr", "NetworkConfigurationPriority")

    def kinds(self) -> list[str]:
        """Security events of the last turn."""
        return [
            effect.value["kind"]
            for effect in self.effects
            if isinstance(effect, Save) and effect.kind == "security_log"
        ]  # type: ignore[index]  # not None

    def restart(self, setup: NetworkSetup = FILE) -> Bench:
        return Bench(setup, self.rows)


# --- the file ---------------------------------------------------------------------------------------------------------


def test_the_file_fills_the_first_slots() -> None:
    bench = Bench(NetworkSetup({1: PLAIN, 2: SECURE}), overrides={"OCPPCommCtrlr.NetworkConfigurationPriority": "2,1"})
    assert bench.network.slots == {1: PLAIN, 2: SECURE}
    assert bench.network.order == (2, 1)
    assert bench.model.text("OCPPCommCtrlr", "ActiveNetworkProfile") == "2"
    assert bench.security_profile == 2
    bench.used(1)
    assert bench.model.text("OCPPCommCtrlr", "ActiveNetworkProfile") == "1"
    assert bench.security_profile == 1


def test_without_any_profile() -> None:
    bench = Bench(NetworkSetup())
    assert (bench.network.order, bench.network.active, bench.security_profile) == ((), 1, 0)
    assert bench.prefer("1") == ("Rejected", "InvalidNetworkConf")
    assert bench.higher(1) == "Rejected"


# --- SetNetworkProfile (B09) ------------------------------------------------------------------------------------------


def test_b09_a_profile_is_kept_over_a_restart() -> None:
    bench = Bench()
    assert bench.fill(2, SECURE) == ("Accepted", None)
    assert "ReconfigurationOfSecurityParameters" in bench.kinds()
    again = bench.restart()
    assert again.network.slots == {1: PLAIN, 2: SECURE}
    assert again.network.order == (1,)  # the order is another matter (B10)


@pytest.mark.parametrize(
    ("slot", "profile", "reason"),
    [
        (0, SECURE, "InvalidConfSlot"),
        (5, SECURE, "InvalidConfSlot"),
        (2, NetworkProfile("http://csms", 1), "InvalidNetworkConf"),
        (2, NetworkProfile("ws://", 1), "InvalidNetworkConf"),
        (2, NetworkProfile("ws://csms:port", 1), "InvalidNetworkConf"),
        (2, NetworkProfile("ws://csms/" + "x" * 520, 1), "InvalidNetworkConf"),
        (2, NetworkProfile("ws://user:secret@csms", 1), "InvalidNetworkConf"),
        (2, NetworkProfile("ws://csms/a b", 1), "InvalidNetworkConf"),
        (2, NetworkProfile("ws://csms", 2), "InvalidNetworkConf"),
        (2, NetworkProfile("wss://csms", 1), "InvalidNetworkConf"),
        (2, NetworkProfile("wss://csms", 4), "InvalidNetworkConf"),
        (2, NetworkProfile("ws://csms", -1), "InvalidNetworkConf"),
        (2, NetworkProfile("ws://csms", 1, version="1.5"), "InvalidNetworkConf"),
        (2, NetworkProfile("ws://csms", 1, transport="SOAP"), "InvalidNetworkConf"),
        (2, NetworkProfile("ws://csms", 1, message_timeout_s=-1), "InvalidNetworkConf"),
        (2, NetworkProfile("ws://csms", 1, message_timeout_s=3601), "InvalidNetworkConf"),
        (2, NetworkProfile("ws://csms", 1, extra={"vpn": {"password": "hidden"}}), "InvalidNetworkConf"),
        (2, NetworkProfile("ws://csms", 0), "NoSecurityDowngrade"),  # B09.FR.04
    ],
)
def test_b09_what_is_wrong_is_rejected(slot: int, profile: NetworkProfile, reason: str) -> None:
    bench = Bench()
    bench.used(1)
    before = bench.network
    verdict = bench.command(lambda ref: SetNetworkProfile(ref, slot, profile))
    assert (verdict.status, verdict.reason) == ("Rejected", reason)
    assert bench.network == before
    assert "secret" not in f"{verdict} {profile!r}"
    assert "hidden" not in f"{verdict} {profile!r}"


def test_b09_nothing_is_taken_that_cannot_be_saved() -> None:
    bench = Bench()
    bench.tell(SaveFailed("full"))
    assert bench.fill(2, SECURE) == ("Rejected", "InternalError")  # the dialect says Failed (B09.FR.03)


def test_the_operators_file_wins_when_it_changes() -> None:
    """The file is the other method by which security may be lowered (A00.FR.005)."""
    bench = Bench(NetworkSetup({1: SECURE}, ca_file=True, password=True))
    bench.fill(1, MUTUAL)
    bench.fill(2, SECURE)
    bench.used(1)
    assert bench.security_profile == 3
    lower = bench.restart(NetworkSetup({1: PLAIN}, password=True))
    assert lower.network.slots[1] == PLAIN
    assert lower.security_profile == 1
    lower.used(1)
    assert lower.restart(NetworkSetup({1: PLAIN}, password=True)).network.order == (1,)


# --- NetworkConfigurationPriority (B10, A05) --------------------------------------------------------------------------


def test_b10_only_filled_slots_are_listed() -> None:
    bench = Bench()
    bench.used(1)
    assert bench.prefer("2,1") == ("Rejected", "InvalidNetworkConf")  # B10.FR.02
    bench.fill(2, NetworkProfile("ws://other", 1))
    assert bench.prefer("2,1") == ("Accepted", None)  # B10.FR.01
    assert bench.network.order == (2, 1)
    assert bench.network.active == 1  # until the restart
    assert bench.restart().network.order == (2, 1)


def test_a05_security_needs_what_it_needs() -> None:
    bench = Bench(NetworkSetup({1: PLAIN}))
    bench.used(1)
    bench.fill(2, SECURE)
    bench.fill(3, MUTUAL)
    assert bench.prefer("2,1") == ("Rejected", "InvalidNetworkConf")  # A05.FR.02
    bench.tell(CredentialsChanged(Credentials(csms_roots=1, entries=1)))
    assert bench.model.integer("SecurityCtrlr", "CertificateEntries") == 1
    assert bench.prefer("2,1") == ("Rejected", "InvalidNetworkConf")  # no password
    bench.set("SecurityCtrlr", "BasicAuthPassword", NEW)
    assert bench.prefer("2,1") == ("Accepted", None)  # A05.FR.04
    assert bench.prefer("3,2,1") == ("Rejected", "InvalidNetworkConf")  # A05.FR.03
    bench.tell(CredentialsChanged(EVERYTHING))
    assert bench.prefer("3,2,1") == ("Accepted", None)


def test_a05_after_success_the_lower_ones_are_gone() -> None:
    bench = Bench()
    bench.used(1)
    bench.tell(CredentialsChanged(EVERYTHING))
    bench.fill(2, SECURE)
    bench.prefer("2,1")
    bench.used(2)  # A05.FR.06
    assert bench.security_profile == 2
    assert bench.network.slots == {2: SECURE}
    assert bench.priority == "2"
    assert "ReconfigurationOfSecurityParameters" in bench.kinds()
    again = bench.restart()
    assert (again.network.slots, again.priority, again.security_profile) == ({2: SECURE}, "2", 2)
    assert again.fill(1, PLAIN) == ("Rejected", "NoSecurityDowngrade")  # B09.FR.04
    assert again.prefer("1") == ("Rejected", "InvalidNetworkConf")
    again.used(2)
    assert again.effects == []  # nothing new


def test_a05_a_downgrade_is_the_operators_decision() -> None:
    """Errata 2.5: from 3 to 2 where AllowSecurityProfileDowngrade says so, never to 1."""
    for allowed, expected in (("true", ("Accepted", None)), ("false", ("Rejected", "NoSecurityDowngrade"))):
        setup = NetworkSetup({1: MUTUAL}, ca_file=True, certificate=True, password=True)
        bench = Bench(setup, overrides={"SecurityCtrlr.AllowSecurityProfileDowngrade": allowed})
        bench.used(1)
        assert bench.set("SecurityCtrlr", "AllowSecurityProfileDowngrade", "true")[0] == "Rejected"
        assert bench.fill(2, SECURE) == expected  # B09.FR.31
        assert bench.fill(3, PLAIN) == ("Rejected", "NoSecurityDowngrade")
        if allowed == "true":
            assert bench.prefer("2,1") == ("Accepted", None)  # A05.FR.08
            bench.used(2)
            assert bench.security_profile == 2
            assert set(bench.network.slots) == {1, 2}


def test_a_slot_written_while_in_use_proves_nothing_yet() -> None:
    """B09: what is in force is what was connected with."""
    bench = Bench()
    bench.used(1)
    bench.tell(CredentialsChanged(EVERYTHING))
    bench.fill(1, SECURE)
    bench.tell(NetworkUsed(1, 1))
    assert bench.security_profile == 1


def test_what_worked_stays_a_way_back_when_its_slot_is_overwritten() -> None:
    """Else a slip of the CSMS in the only slot would lock the station out at its next start."""
    wrong, also_wrong = NetworkProfile("ws://typo", 1), NetworkProfile("ws://other-typo", 1)
    bench = Bench()
    bench.used(1)
    bench.fill(1, wrong)
    bench.fill(1, also_wrong)
    assert bench.network.fallback == PLAIN  # what has worked, not what was written in between
    again = bench.restart()
    assert (again.network.slots, again.network.fallback) == ({1: also_wrong}, PLAIN)
    again.tell(NetworkUsed(1, 1, "", PLAIN))
    assert again.network.fallback == PLAIN  # the slot has still to prove itself
    again.tell(NetworkUsed(1, 1, "", also_wrong))
    assert again.network.fallback is None
    assert again.restart().network.fallback is None


def test_the_way_back_ends_with_another_slot_or_the_old_words_or_a_new_file() -> None:
    bench = Bench()
    bench.used(1)
    bench.fill(1, NetworkProfile("ws://typo", 1))
    bench.fill(1, PLAIN)
    assert bench.network.fallback is None
    bench.fill(1, NetworkProfile("ws://typo", 1))
    assert bench.restart(NetworkSetup({1: SECURE}, password=True)).network.fallback is None
    bench.fill(2, NetworkProfile("ws://other", 1))
    bench.tell(NetworkUsed(2, 1, "", bench.network.slots[2]))
    assert bench.network.fallback is None


def test_b10_fail_over_cannot_be_put_off_for_ever() -> None:
    bench = Bench()
    assert bench.set("OCPPCommCtrlr", "NetworkProfileConnectionAttempts", "100") == ("Accepted", None)
    assert bench.set("OCPPCommCtrlr", "NetworkProfileConnectionAttempts", "101") == ("Rejected", "ValueTooHigh")


def test_b10_the_slot_that_worked_stays_a_way_back() -> None:
    bench = Bench()
    bench.used(1)
    bench.fill(2, NetworkProfile("ws://other", 1))
    bench.prefer("2")
    assert bench.network.order == (2, 1)  # B10.FR.07


# --- SecurityProfile of 1.6 -------------------------------------------------------------------------------------------


def test_16_a_higher_profile_is_tried_at_once_and_kept() -> None:
    bench = Bench(NetworkSetup({1: NetworkProfile("ws://csms:9000/ocpp?t=1", 0)}))
    bench.used(1)
    assert bench.higher(0) == "Rejected"  # A05.FR.01
    assert bench.higher(1) == "Rejected"  # A05.FR.02
    bench.set("SecurityCtrlr", "BasicAuthPassword", NEW)
    assert bench.higher(1) == "Accepted"
    assert SettingChanged("SecurityCtrlr", "SecurityProfile") in bench.effects
    assert bench.network.order == (2, 1)
    bench.used(2, "text")
    assert bench.security_profile == 1
    assert bench.higher(2) == "Rejected"  # A05.FR.03
    bench.tell(CredentialsChanged(Credentials(csms_roots=1)))
    assert bench.higher(3) == "Rejected"  # A05.FR.04
    assert bench.higher(4) == "Rejected"
    assert bench.higher(2) == "Accepted"
    slot = bench.network.order[0]
    assert bench.network.slots[slot].url == "wss://csms:9000/ocpp?t=1"
    bench.used(slot)
    assert (bench.security_profile, bench.network.order) == (2, (slot,))
    assert bench.higher(1) == "Rejected"


def test_16_a_profile_that_does_not_work_is_forgotten() -> None:
    """A05.FR.08, also when the power fails in between."""
    setup = NetworkSetup({1: PLAIN}, ca_file=True, password=True, secure_url="wss://csms:444/tls")
    bench = Bench(setup)
    bench.used(1)
    assert bench.higher(2) == "Accepted"
    assert bench.network.slots[2].url == "wss://csms:444/tls"
    again = bench.restart(setup)
    assert again.network.order == (2, 1)
    again.used(1)
    assert (again.network.order, again.priority, set(again.network.slots)) == ((1,), "1", {1})
    assert again.security_profile == 1
    assert again.restart(setup).network.order == (1,)


def test_16_asking_twice_leaves_one_attempt() -> None:
    bench = Bench(NetworkSetup({1: NetworkProfile("ws://csms", 0)}, ca_file=True, certificate=True, password=True))
    bench.used(1)
    assert bench.higher(2) == "Accepted"
    assert bench.higher(3) == "Accepted"
    assert [bench.network.slots[slot].security_profile for slot in bench.network.order] == [3, 0]


def test_16_the_last_slot_makes_room() -> None:
    plain = {slot: NetworkProfile(f"ws://csms{slot}", 0) for slot in (1, 2, 3, 4)}
    bench = Bench(NetworkSetup(plain, password=True))
    bench.used(4)
    assert bench.higher(1) == "Accepted"
    assert bench.network.slots[3].url == "ws://csms4"


def test_16_the_profile_that_made_room_comes_back() -> None:
    """Also when the power fails in between."""
    plain = {slot: NetworkProfile(f"ws://csms{slot}", 1) for slot in (1, 2, 3, 4)}
    setup = NetworkSetup(plain, ca_file=True, password=True)
    bench = Bench(setup, overrides={"OCPPCommCtrlr.NetworkConfigurationPriority": "1,4"})
    bench.used(1)
    assert bench.higher(2) == "Accepted"
    assert bench.network.slots[4].security_profile == 2
    again = bench.restart(setup)
    again.used(1)
    assert (again.network.slots, again.priority) == (plain, "1,4")
    assert again.restart(setup).network.slots == plain
    assert again.higher(2) == "Accepted"
    again.used(4)
    assert (set(again.network.slots), again.security_profile) == ({4}, 2)


# --- passwords (A01) --------------------------------------------------------------------------------------------------


def test_a01_the_old_password_is_kept_until_the_new_one_has_worked() -> None:
    bench = Bench()
    bench.used(1)
    bench.set("SecurityCtrlr", "BasicAuthPassword", OLD)
    assert (bench.network.unproven, bench.network.old_password) == (True, None)  # None: the configured one
    bench.used(1, "text")
    assert not bench.network.unproven
    bench.set("SecurityCtrlr", "BasicAuthPassword", NEW)
    assert bench.network.old_password == OLD
    bench.set("SecurityCtrlr", "BasicAuthPassword", NEWER)
    assert bench.network.old_password == OLD  # the one between them has never worked
    again = bench.restart()
    again.used(1, "old")
    assert again.network.old_password == OLD
    again.used(1, "bytes")
    assert (again.network.unproven, again.network.old_password) == (False, None)
    assert again.network.password_bytes
    assert OLD not in json.dumps(again.rows["network_profile"])
    assert OLD not in repr(bench.network) + repr(again.station.view(again.now))


def test_a01_control_characters_cannot_be_sent() -> None:
    assert Bench().set("SecurityCtrlr", "BasicAuthPassword", "sixteen characters\n") == ("Rejected", "InvalidValue")


# --- rows -------------------------------------------------------------------------------------------------------------


def test_rows_that_cannot_be_read_do_not_stop_the_station() -> None:
    rows = {"network_profile": {"2": {"profile": {"odd": 1}, "configured": None}, "state": {"used": 1}}}
    bench = Bench(FILE, rows)
    assert bench.network.slots == {1: PLAIN}
    assert set(rows["network_profile"]) == {"2", "state"}


profiles = st.builds(
    NetworkProfile,
    url=st.sampled_from(["ws://a", "ws://b:1/x", "wss://a", "wss://c/y", "http://a", ""]),
    security_profile=st.integers(-1, 4),
    version=st.sampled_from(["", "1.6", "2.0.1", "1.5"]),
)
steps = st.one_of(
    st.tuples(st.just("fill"), st.integers(0, 5), profiles),
    st.tuples(st.just("prefer"), st.lists(st.integers(0, 5), min_size=1, max_size=4), st.none()),
    st.tuples(st.just("use"), st.integers(1, 4), st.none()),
    st.tuples(st.just("higher"), st.integers(-1, 4), st.none()),
    st.tuples(st.just("restart"), st.none(), st.none()),
)


@given(st.lists(steps, max_size=12))
def test_whatever_a_csms_does_there_is_a_way_and_it_never_gets_less_secure(plan: list[tuple[str, Any, Any]]) -> None:
    setup = NetworkSetup({1: NetworkProfile("ws://file", 0)}, ca_file=True, certificate=True, password=True)
    bench = Bench(setup)
    proven = 0
    for step, what, profile in plan:
        if step == "fill":
            bench.fill(what, profile)
        elif step == "prefer":
            bench.prefer(",".join(map(str, what)))
        elif step == "use" and what in bench.network.order:
            bench.used(what)
            proven = bench.network.slots[what].security_profile
        elif step == "higher":
            bench.higher(what)
        elif step == "restart":
            bench = bench.restart(setup)
        network = bench.network
        assert network.order
        assert len(set(network.order)) == len(network.order)
        assert all(network.slots[slot].security_profile >= proven for slot in network.order)
        assert bench.security_profile >= proven
        assert bench.restart(setup).network == network
    assert networking.KIND == "network_profile"
