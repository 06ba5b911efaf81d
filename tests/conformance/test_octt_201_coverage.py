"""Which OCTT cases of a 2.0.1 station are tested here, and why others are not; and the one that needs a real socket."""

from __future__ import annotations

import asyncio
import csv
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from station.errors import LinkError
from station.sim.csms import EmbeddedCsms, Refusal
from station.sim.lab import Lab, LabSettings
from tests.conformance.stage201 import TOKENS, variable

HERE = Path(__file__).parent
CASES = HERE.parents[2] / "shared" / "vectors" / "octt_201_station_cases.csv"

_USE_CASES = {
    "A": (0, 1, 2, 3, 4, 5),
    "B": (1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12),
    "C": (1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 15),
    "E": tuple(range(1, 15)),
    "F": (1, 2, 3, 5, 6),
    "G": (1, 2, 3, 4),
    "J": (1, 2),
    "K": tuple(range(1, 11)),
    "L": (1,),
    "M": (3, 4, 5),
    "N": (1,),
    "P": (1, 2),
}
COVERED = frozenset(f"{block}{number:02}" for block, numbers in _USE_CASES.items() for number in numbers)
"""The use cases that this station has."""

_COMBINED = "the connections to CSMS and vehicle have certificates of their own: TC_A_11, TC_A_12"
_NEW_ROOT = "in TLS handshakes: tests/ocpp/test_trust.py"
_TLS = "over real TLS, before a foreign CSMS: tests/interop/test_security_profiles.py"
_LOCAL_LIST = "there is no local authorisation list yet (D01)"
_DOWNLOADS = "for stations that cannot download while a car charges; ours can: TC_L_14, TC_L_15"
_EVSE_RESET = "for stations that cannot reset an EVSE alone; ours can: TC_B_25 to TC_B_27"

OUT_OF_SCOPE = {
    "TC_A_04_CS": _TLS,
    "TC_A_05_CS": _TLS,
    "TC_A_06_CS": _TLS,
    "TC_A_07_CS": _TLS,
    "TC_A_13_CS": _COMBINED,
    "TC_B_47_CS": _NEW_ROOT,
    "TC_B_50_CS": _NEW_ROOT,
    "TC_B_15_CS": "for stations without SummaryInventory; ours has it: TC_B_14",
    "TC_B_24_CS": "there are no reservations yet (H01)",
    "TC_B_28_CS": _EVSE_RESET,
    "TC_B_29_CS": _EVSE_RESET,
    "TC_C_40_CS": _LOCAL_LIST,
    "TC_C_43_CS": _LOCAL_LIST,
    "TC_E_54_CS": "for high-level communication: there is no ISO 15118 yet",
    "TC_L_12_CS": _DOWNLOADS,
    "TC_L_13_CS": _DOWNLOADS,
    "TC_L_16_CS": "for stations that install while a car charges; ours waits: TC_L_15",
}
"""Cases of covered use cases that are not tested, with the reason."""


def _named(text: str) -> set[str]:
    """Use cases in a cell: E07 in "E07 AND (C01 OR C02)", also in the requirement E07.FR.04 or C09_FR_02."""
    return set(re.findall(r"(?<![A-Za-z])[A-Z]\d\d(?![0-9])", text.replace("_FR", ".FR")))


def _in_scope(rows: Iterable[dict[str, str]]) -> set[str]:
    """Cases that name a covered use case; where the use case is missing, its requirements tell it."""
    found = set()
    for row in rows:
        if _named(row["use_cases"] or row["requirement_ids"]) & COVERED:
            found.add(row["case_id"])
    return found


def _tested() -> set[str]:
    """Cases that a test of this folder is named after."""
    names = re.findall(
        r"^async def test_tc_([a-z])_(\d\d)_",
        "\n".join(path.read_text() for path in HERE.glob("test_octt_201_*.py")),
        re.MULTILINE,
    )
    return {f"TC_{block.upper()}_{number}_CS" for block, number in names}


def _cases() -> set[str]:
    if not CASES.exists():
        pytest.skip("the list of OCTT cases is not beside this checkout")
    with CASES.open(newline="") as lines:
        return _in_scope(csv.DictReader(lines))


def test_every_case_is_tested_or_has_a_reason() -> None:
    cases = _cases()
    assert len(cases) > 160
    assert cases - _tested() - OUT_OF_SCOPE.keys() == set()


def test_no_reason_is_stale() -> None:
    assert OUT_OF_SCOPE.keys() & _tested() == set()
    assert OUT_OF_SCOPE.keys() - _cases() == set()


def test_use_cases_are_found_in_cells() -> None:
    assert _named("E02 AND (C01 OR C06)") == {"E02", "C01", "C06"}
    assert _named("E06(S2), E10") == {"E06", "E10"}
    assert _named("C09_FR_02, C16.FR.03") == {"C09", "C16"}
    assert _named("Described at section 5.3.") == set()


# --- A00, B01: over a real socket, for the memory network has no HTTP -----------------------------------------------

PASSWORD = "correct-horse-battery"


async def test_tc_a_01_basic_authentication() -> None:
    """The right name and password open the connection, and the station boots (A00.FR.205)."""
    async with EmbeddedCsms(TOKENS, password=PASSWORD, subprotocols=("ocpp2.0.1",)) as csms:
        settings = LabSettings(csms_url=csms.url, password=PASSWORD, speed=20.0)
        async with Lab(settings) as lab:
            await csms.wait_for(settings.identity, "StatusNotification", since=0, timeout=5.0)
            profile = variable("SecurityCtrlr.SecurityProfile")
            answer = await csms.call(settings.identity, "GetVariables", {"getVariableData": [profile]}, timeout=5.0)
            assert not isinstance(answer, Refusal)
            assert answer["getVariableResult"][0]["attributeValue"] == "1"
            assert lab.view().online
        assert len(csms.station(settings.identity).boots) == 1


async def test_wrong_password_does_not_connect() -> None:
    """A CSMS that refuses the password never hears of the station; the station says why."""
    async with EmbeddedCsms(TOKENS, password=PASSWORD, subprotocols=("ocpp2.0.1",)) as csms:
        settings = LabSettings(csms_url=csms.url, password=PASSWORD[::-1], speed=20.0)
        async with Lab(settings) as lab:
            for _ in range(1000):
                if lab.trouble is not None:
                    break
                await asyncio.sleep(0.01)
            assert "401" in (lab.trouble or "")
            with pytest.raises(LinkError):
                await csms.call(settings.identity, "ClearCache")
        assert csms.station(settings.identity).boots == []
