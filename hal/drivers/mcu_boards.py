"""The boards of the EVerest-MCU family as data: what each calls a message, and what else is its own.

Tags: EVerest modules/HardwareDrivers/EVSE/*/…comms/protobuf/*.proto. Manners (pace, host loss): the same modules' docs/index.rst.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from hal.api import OnHostLoss


class Kind(Enum):
    """What a board may tell."""

    KEEP_ALIVE = "keep-alive"
    RESET = "reset"
    PILOT = "pilot"
    RELAY = "relay"
    ERRORS = "error flags"
    TELEMETRY = "telemetry"
    PROXIMITY = "proximity"
    LOCK = "lock"
    POWER_METER = "power meter"
    CONFIG_REQUEST = "configuration request"
    FAN = "fan"


class Flag(Enum):
    """An error flag of a board."""

    DIODE = "diode"
    RCD_SELFTEST = "rcd_selftest"
    RCD = "rcd"
    VENTILATION = "ventilation"
    LOCK = "lock"
    PILOT = "pilot"
    OVER_CURRENT = "over_current"
    HEARTBEAT = "heartbeat"
    CONTACTOR = "contactor"
    PROXIMITY = "proximity"


@dataclass(frozen=True, slots=True)
class Orders:
    """Tags of what the host says; 0: there is no such order. coil: `power` is a message {1 type, 2 state}, not a bool.

    connector: tag of the number that says for which connector a message is.
    """

    keep_alive: int
    duty: int
    power: int
    reset: int
    lock: int = 0
    phases: int = 0
    rcd: int = 0
    config: int = 0
    connector: int = 0
    coil: bool = False


@dataclass(frozen=True, slots=True)
class McuBoard:
    """One kind of board.

    tells: tag -> kind. connector: tag of the connector's number in what it tells (0: there is only one). x1: the "duty" that
    is steady +12 V. telemetry: tag -> name. silence_s: so long without a keep-alive means that it is lost. most_a: what it can
    signal. host_loss: what it does by itself when the host falls silent, as far as that can be known.
    capabilities: its keep-alive tells currents and phases.
    """

    name: str
    title: str
    orders: Orders
    tells: Mapping[int, Kind]
    flags: Mapping[int, Flag]
    telemetry: Mapping[int, str] = field(default_factory=dict)
    connector: int = 0
    x1: int = 10001
    silence_s: float = 5.0
    most_a: float = 80.0
    meter: bool = False
    connectors: int = 1
    capabilities: bool = True
    host_loss: OnHostLoss = OnHostLoss.NOTHING

    @property
    def configured_by_host(self) -> bool:
        return self.orders.config > 0


_FLAGS = {
    1: Flag.DIODE, 2: Flag.RCD_SELFTEST, 3: Flag.RCD, 4: Flag.VENTILATION, 5: Flag.LOCK, 6: Flag.PILOT, 7: Flag.OVER_CURRENT,
}  # fmt: skip
_CP = {1: "cp_high", 2: "cp_low"}
_YETI_TELLS = {
    3: Kind.KEEP_ALIVE, 101: Kind.RESET, 102: Kind.PILOT, 103: Kind.RELAY, 104: Kind.ERRORS, 105: Kind.TELEMETRY,
    106: Kind.PROXIMITY, 107: Kind.LOCK, 108: Kind.POWER_METER,
}  # fmt: skip

YETI = McuBoard(
    name="yeti",
    title="Pionix Yeti",
    orders=Orders(keep_alive=100, duty=103, power=104, reset=105, lock=102, phases=106),
    tells=_YETI_TELLS,
    flags=_FLAGS,
    telemetry=_CP,
    meter=True,
    # YetiDriver/docs: "may fall back to ... a stand alone emergency backup charger or go into failure mode".
    host_loss=OnHostLoss.NOTHING,
)
ADKIT = McuBoard(
    name="adkit",
    title="Analog Devices AD-ACEVSE22KWZ-KIT",
    orders=Orders(keep_alive=100, duty=103, power=104, reset=105),
    tells={tag: kind for tag, kind in _YETI_TELLS.items() if kind is not Kind.LOCK},
    flags={bit: flag for bit, flag in _FLAGS.items() if flag is not Flag.LOCK},
    telemetry=_CP,
    silence_s=7.0,  # its docs: a keep-alive every 3 s; two may not be missing
    most_a=32.0,  # its docs: duty cycles above 53.33 % are ignored
    meter=True,
    host_loss=OnHostLoss.NOTHING,  # its docs: the host's keep-alive is "currently unused"
)
TIDA = McuBoard(
    name="tida",
    title="Texas Instruments TIDA-010939",
    orders=Orders(keep_alive=2, duty=4, power=5, reset=6, lock=3, rcd=8),
    tells={
        1: Kind.KEEP_ALIVE, 2: Kind.RESET, 3: Kind.PILOT, 4: Kind.RELAY, 5: Kind.ERRORS, 6: Kind.TELEMETRY,
        7: Kind.PROXIMITY, 8: Kind.LOCK,
    },
    flags=_FLAGS,
    telemetry={**_CP, 3: "temp0_c", 4: "temp1_c"},
)  # fmt: skip
PHYVERSO = McuBoard(
    name="phyverso",
    title="Phytec phyVERSO",
    orders=Orders(
        keep_alive=1, duty=4, power=5, reset=6, lock=3, rcd=10, config=8, connector=7, coil=True,
    ),
    tells={
        1: Kind.KEEP_ALIVE, 2: Kind.RESET, 3: Kind.PILOT, 4: Kind.RELAY, 5: Kind.ERRORS, 7: Kind.TELEMETRY,
        8: Kind.PROXIMITY, 9: Kind.FAN, 10: Kind.LOCK, 11: Kind.CONFIG_REQUEST,
    },
    flags={
        **{bit: flag for bit, flag in _FLAGS.items() if bit < 7},
        7: Flag.HEARTBEAT, 8: Flag.CONTACTOR, 9: Flag.PROXIMITY,
    },
    telemetry=_CP,
    connector=6,
    x1=10000,
    connectors=2,
    capabilities=False,
    host_loss=OnHostLoss.OPENS,  # it watches the host's keep-alive and raises heartbeat_timeout
)  # fmt: skip

BOARDS: Mapping[str, McuBoard] = {board.name: board for board in (YETI, ADKIT, TIDA, PHYVERSO)}
