"""The settings of the EVerest-MCU boards, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hal.api import OnHostLoss
from hal.bus.serial import Line
from hal.drivers.mcu_boards import McuBoard
from hal.drivers.mcu_messages import PortConfig
from hal.errors import ConfigError
from hal.settings import SettingsReader

BAUD = 115200
LEAST_A = 6.0
PULLS = {"none": 0, "up": 1, "down": 2}
LOCKS = {"none": -1, "hella": 1, "valeo": 2}


@dataclass(frozen=True, slots=True)
class ConnectorSettings:
    """One EVSE. number: of the board's connector. min_a, max_a: what may be offered. lock, rcd: whether it has one (that can
    test itself).
    """

    number: int
    min_a: float
    max_a: float
    phases: int
    fixed_cable: bool
    connector_type: str
    ventilated: bool
    lock: bool
    rcd: bool
    port: PortConfig | None = None


@dataclass(frozen=True, slots=True)
class McuSettings:
    """reset: none, message or gpio (then by this line of this chip). lock_s: how long a bolt takes. rcd_s: how long a residual
    current device takes to trip in its test, and to be ready again. host_loss_s: how long the board is left alone at the start to
    see that it notices (0: not at all).
    """

    board: McuBoard
    line: Line
    name: str
    voltage_v: float
    reset: str
    reset_chip: str
    reset_line: int
    phase_switching: bool
    meter: bool
    lock_feedback: bool
    lock_s: float
    rcd_s: float
    host_loss: OnHostLoss
    host_loss_s: float
    connectors: tuple[ConnectorSettings, ...]

    @property
    def ports(self) -> tuple[PortConfig, ...]:
        """What a phyVERSO is told of its connectors; one that is not in the configuration is off."""
        known = {connector.number: connector.port for connector in self.connectors}
        return tuple(known.get(number) or PortConfig() for number in range(1, self.board.connectors + 1))


def read_settings(board: McuBoard, settings: Mapping[str, object]) -> McuSettings:
    """Raises ConfigError naming every field that is wrong."""
    reader = SettingsReader("board", settings)
    port = reader.text("port", "")
    if "port" not in settings:
        reader.problems.append("board.port: is missing; must be /dev/... (see /dev/serial/by-id) or socket://host:port")
    reset = reader.text("reset", "message", ("none", "message", "gpio"))
    if reset == "gpio" and "reset_line" not in settings:
        reader.problems.append(
            "board.reset_line: is missing; must be the number of the chip's line to the MCU's reset (gpioinfo lists them)"
        )
    problems: list[str] = []
    declared = reader.text("host_loss", board.host_loss.value, (OnHostLoss.OPENS.value, OnHostLoss.NOTHING.value))
    host_loss = OnHostLoss(declared)
    watches = board.host_loss is OnHostLoss.OPENS and host_loss is OnHostLoss.OPENS
    found = McuSettings(
        board=board,
        line=_line(reader, port, reader.integer("baud", BAUD, 1200, 4_000_000)),
        name=reader.text("name", board.name),
        voltage_v=reader.number("voltage_v", 230.0, 80.0, 300.0),
        reset=reset,
        reset_chip=reader.text("reset_chip", "/dev/gpiochip0"),
        reset_line=reader.integer("reset_line", 0, 0, 1023),
        phase_switching=bool(board.orders.phases) and reader.flag("phase_switching", False),
        meter=board.meter and reader.flag("meter", True),
        lock_feedback=not board.orders.lock or reader.flag("lock_feedback", True),
        lock_s=reader.number("lock_s", 3.0, 0.2, 30.0) if board.orders.lock else 3.0,
        rcd_s=reader.number("rcd_s", 3.0, 0.2, 30.0) if board.orders.rcd else 3.0,
        host_loss=host_loss,
        host_loss_s=reader.number("host_loss_s", 10.0, 0.0, 20.0) if watches else 0.0,
        connectors=_several(board, reader, problems) if board.configured_by_host else (_connector(board, reader, 1),),
    )
    reader.problems += problems
    reader.finish()
    return found


def _several(board: McuBoard, reader: SettingsReader, problems: list[str]) -> tuple[ConnectorSettings, ...]:
    """The [[board.connector]] tables; without any, all connectors as delivered."""
    tables = reader.tables("connector") or [{"number": number} for number in range(1, board.connectors + 1)]
    found: list[ConnectorSettings] = []
    for table in tables:
        number = table.get("number")
        inner = SettingsReader(f"board.connector {number}", table)
        connector = _connector(board, inner, inner.integer("number", 0, 1, board.connectors))
        if "number" not in table:
            inner.problems.append(f"board.connector.number: is missing; must be 1 to {board.connectors}")
        elif connector.number in {other.number for other in found}:
            inner.problems.append(f"board.connector.number: {number} is there twice")
        try:
            inner.finish()
        except ConfigError as error:
            problems.append(str(error))
        found.append(connector)
    return tuple(sorted(found, key=lambda one: one.number))


def _connector(board: McuBoard, reader: SettingsReader, number: int) -> ConnectorSettings:
    max_a = reader.number("max_a", min(32.0, board.most_a), LEAST_A, board.most_a)
    fixed_cable = reader.flag("fixed_cable", True)
    phases = reader.integer("phases", 3, 1, 3)
    if phases == 2:
        reader.problems.append("board.phases: must be 1 or 3, is 2")
    port = _port(reader, socket=not fixed_cable) if board.configured_by_host else None
    return ConnectorSettings(
        number=number,
        min_a=reader.number("min_a", LEAST_A, LEAST_A, max_a),
        max_a=max_a,
        phases=phases,
        fixed_cable=fixed_cable,
        connector_type=reader.text("connector_type", "cType2" if fixed_cable else "sType2"),
        ventilated=reader.flag("ventilated", False),
        lock=_lock(board, reader, port, fixed_cable=fixed_cable),
        rcd=bool(board.orders.rcd) and reader.flag("rcd", True),
        port=port,
    )


def _lock(board: McuBoard, reader: SettingsReader, port: PortConfig | None, *, fixed_cable: bool) -> bool:
    if not board.orders.lock:
        return False
    wanted = port.lock > 0 if port is not None else reader.flag("lock", not fixed_cable)
    if wanted and fixed_cable:
        reader.problems.append("board.lock: a fixed cable has no lock; set fixed_cable to false, or leave lock out")
    if port is not None and not fixed_cable and not wanted:
        reader.problems.append("board.lock: a socket needs one; must be hella (by time) or valeo (with potentiometer)")
    return wanted


def _port(reader: SettingsReader, *, socket: bool) -> PortConfig:
    return PortConfig(
        kind=1,
        feedback_active_low=reader.flag("feedback_active_low", True),
        pull=PULLS[reader.text("feedback_pull", "down", tuple(PULLS))],
        lock=LOCKS[reader.text("lock", "none", tuple(LOCKS))],
        socket=socket,
    )


def _line(reader: SettingsReader, port: str, baud: int) -> Line:
    try:
        return Line(port or "/dev/null", baud)
    except ConfigError as error:
        reader.problems.append(str(error).replace("line.", "board.", 1))
        return Line("/dev/null")
