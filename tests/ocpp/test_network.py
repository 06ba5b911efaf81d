"""Which profile and which password come next."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.core.types import NetworkProfile
from station.core.view import NetworkView
from station.ocpp.network import NetworkChoice, Passwords, Secret, Target, secrets, subprotocols, unusable

PROFILES = {slot: NetworkProfile(f"ws://csms{slot}", 1) for slot in (1, 2, 3, 4)}
HEX = "c0ffee" + "0123456789abcdef" * 2 + "42"


class World:
    """Slots that change, and a choice that looks at them."""

    def __init__(self, *order: int, attempts: int = 2) -> None:
        self.view = NetworkView(slots={slot: PROFILES[slot] for slot in order}, order=order)
        self.choice = NetworkChoice(lambda: self.view, lambda: attempts)
        self.choice.begin()

    def keep(self, *slots: int) -> None:
        self.view = NetworkView(slots={slot: PROFILES[slot] for slot in slots}, order=slots)

    @property
    def slot(self) -> int:
        target = self.choice.target()
        assert target is not None
        return target.slot

    def tries(self, count: int) -> list[int]:
        """Slots of so many attempts in vain."""
        found = []
        for _ in range(count):
            found.append(self.slot)
            self.choice.failed()
        return found


def test_every_slot_has_its_attempts_without_end() -> None:
    assert World(2, 1, attempts=3).tries(14) == [2, 2, 2, 1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2]
    assert World(3, attempts=0).tries(3) == [3, 3, 3]


def test_what_worked_in_an_overwritten_slot_comes_last() -> None:
    world = World(2, 1, attempts=1)
    before = NetworkProfile("ws://before", 1)
    world.view = NetworkView(slots=world.view.slots, order=(2, 1), active=2, fallback=before)
    world.choice.begin()
    targets = []
    for _ in range(4):
        targets.append(world.choice.target())
        world.choice.failed()
    assert targets == [Target(2, PROFILES[2]), Target(1, PROFILES[1]), Target(2, before), Target(2, PROFILES[2])]


def test_a_lost_connection_is_made_again_where_it_was() -> None:
    """B10.FR.03: with all its attempts, and then the others."""
    world = World(2, 1)
    world.tries(3)
    assert world.slot == 1
    world.choice.worked()
    assert world.tries(5) == [1, 1, 2, 2, 1]


def test_what_changes_counts_from_the_next_start_on() -> None:
    """B09: a slot that is written in use takes effect after a restart; one that is emptied is not tried any more."""
    world = World(1, 2, 3)
    world.keep(3, 4, 2)
    assert world.tries(6) == [2, 2, 3, 3, 2, 2]
    world.choice.begin()
    assert world.slot == 3
    world.keep()
    assert world.choice.target() is None


def test_a_slot_that_goes_before_the_present_one_changes_nothing() -> None:
    world = World(1, 2, 3)
    assert world.tries(3) == [1, 1, 2]
    world.keep(2, 3)
    assert world.tries(2) == [2, 3]


@given(st.permutations([1, 2, 3, 4]), st.integers(1, 4), st.lists(st.sampled_from(["fail", "work"]), max_size=40))
def test_no_slot_is_forgotten(order: list[int], attempts: int, outcomes: list[str]) -> None:
    world = World(*order, attempts=attempts)
    for outcome in outcomes:
        world.choice.failed() if outcome == "fail" else world.choice.worked()
    assert set(world.tries(4 * attempts + attempts)) == set(order)


@pytest.mark.parametrize(
    ("profile", "secret", "certificate", "words"),
    [
        (0, False, False, None),
        (1, True, False, None),
        (1, False, True, "security profile 1 needs a password, and none is set"),
        (2, False, True, "security profile 2 needs a password, and none is set"),
        (3, False, True, None),
        (3, True, False, "security profile 3 needs a certificate of the station, and there is none"),
    ],
)
def test_what_a_profile_needs(profile: int, secret: bool, certificate: bool, words: str | None) -> None:
    target = Target(1, NetworkProfile("ws://csms", profile))
    assert unusable(target, secret=secret, certificate=certificate) == words


def test_a_file_without_password_is_taken_at_its_word() -> None:
    target = Target(1, NetworkProfile("wss://csms", 2, extra={"anonymous": True}))
    assert unusable(target, secret=False, certificate=False) is None


def test_the_version_of_a_profile_is_the_only_one_offered() -> None:
    both = ("ocpp2.0.1", "ocpp1.6")
    assert subprotocols(None, both) == both
    assert subprotocols(Target(1, NetworkProfile("ws://csms", 1)), both) == both
    assert subprotocols(Target(1, NetworkProfile("ws://csms", 1, "1.6")), both) == ("ocpp1.6",)


# --- passwords --------------------------------------------------------------------------------------------------------


def forms(
    offered: Sequence[str], chosen: str | None = HEX, configured: str | None = "filed", **view: object
) -> list[str]:
    return [one.form for one in secrets(NetworkView(**view), chosen, configured, offered)]  # type: ignore[arg-type]  # fields


def test_which_passwords_may_be_right() -> None:
    assert forms(["ocpp2.0.1"], None, None) == []
    assert forms(["ocpp2.0.1"], None) == [""]
    assert forms(["ocpp2.0.1"]) == ["text"]
    assert forms(["ocpp2.0.1"], unproven=True) == ["text", "old"]
    assert forms(["ocpp2.0.1"], unproven=True, old_password=HEX) == ["text"]  # the same as the new one
    assert forms(["ocpp1.6"], "correct-horse-battery") == ["text"]
    assert forms(["ocpp1.6"]) == ["bytes", "text"]  # the whitepaper first
    assert forms(["ocpp2.0.1", "ocpp1.6"]) == ["text", "bytes"]
    assert forms(["ocpp1.6"], password_bytes=False) == ["text"]
    assert forms(["ocpp1.6"], password_bytes=True, unproven=True) == ["bytes", "old"]
    assert forms(["ocpp1.6"], HEX[:30]) == ["text"]  # 15 bytes are too few
    assert secrets(NetworkView(), HEX, None, ["ocpp1.6"])[0].value == bytes.fromhex(HEX)


def test_a_refused_password_is_followed_by_the_next_and_none_is_shown() -> None:
    passwords = Passwords()
    assert passwords.consider(()) is None
    passwords.refused()
    both = (Secret("text", "new-horse-battery"), Secret("old", "old-horse-battery"))
    assert passwords.consider(both) is both[0]
    passwords.refused()
    assert passwords.consider(both) is both[1]
    passwords.refused()
    assert passwords.consider(both) is both[0]
    passwords.refused()
    assert passwords.consider(both[:1]) is both[0]
    assert "horse" not in repr(both)
