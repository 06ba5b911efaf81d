"""The settings of the Modbus EVSE boards, checked, and what follows from them and the board's table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hal.api import OnHostLoss
from hal.boards.model import BoardModel
from hal.boards.parse import load
from hal.bus.modbus_rtu import Timing
from hal.bus.serial import Line
from hal.errors import ConfigError
from hal.settings import SettingsReader

USUAL_MOST_A = 32.0
_STAND_IN = "evse_wb"


@dataclass(frozen=True, slots=True)
class ModbusBoardSettings:
    """host_loss_s: the board falls to host_loss_a when it hears nothing for so long; None: it cannot, 0: it shall not.

    boot_a: what it offers by itself after it has got power; None: its table does not say where that stands.
    """

    model: BoardModel
    line: Line
    unit: int
    timing: Timing
    local_echo: bool
    name: str
    min_a: float
    max_a: float
    phases: int
    voltage_v: float
    idle_s: float
    active_s: float
    meter: bool
    fixed_cable: bool
    connector_type: str
    ventilated: bool
    host_loss_s: float | None
    host_loss_a: float
    boot_a: float | None

    @property
    def armed(self) -> bool:
        return bool(self.host_loss_s)

    @property
    def on_host_loss(self) -> OnHostLoss:
        if not self.armed:
            return OnHostLoss.NOTHING
        return OnHostLoss.REDUCES if self.host_loss_a else OnHostLoss.OPENS

    @property
    def feed_s(self) -> float:
        """Longest pause between requests: four fit into the board's patience."""
        return self.host_loss_s / 4.0 if self.host_loss_s else 3600.0

    @property
    def supervision(self) -> str:
        """How the board supervises this program, in words."""
        watchdog = self.model.watchdog
        boot = self._boot_words()
        if watchdog is None:
            return f"none: the board has no watchdog and keeps the last current; {boot}"
        if not self.armed:
            return f"switched off (host_loss_s = 0, {watchdog.write.place} = 0); {boot}"
        return (
            f"watchdog of {self.host_loss_s:g} s ({watchdog.write.place}), then {self.host_loss_a:g} A "
            f"({watchdog.fail_safe.place}); both written and read back at every start and after every brown-out, fed at "
            f"least every {min(self.idle_s, self.feed_s):g} s; {boot}"
        )

    def _boot_words(self) -> str:
        if self.model.boot is None or self.boot_a is None:
            return "what it does after a power cut is corrected at the next look"
        return (
            f"after a power cut it offers {self.boot_a:g} A ({self.model.boot.write.place}) until it is reached again"
        )


def read_settings(settings: Mapping[str, object], model_name: str | None = None) -> ModbusBoardSettings:
    """model_name: of a driver that is for one board; without it `model` is a setting. Raises ConfigError naming every field."""
    reader = SettingsReader("board", settings)
    model = _model(reader, settings, model_name)
    port = reader.text("port", "")
    if "port" not in settings:
        reader.problems.append("board.port: is missing; must be /dev/... (see /dev/serial/by-id) or socket://host:port")
    line = _line(reader, model, port)
    max_a = reader.number("max_a", min(USUAL_MOST_A, model.max_a), model.min_a, model.max_a)
    min_a = reader.number("min_a", model.min_a, model.min_a, max_a)
    fixed_cable = reader.flag("fixed_cable", True)
    active_s = reader.number("poll_s", model.active_s, 0.1, 60.0)
    found = ModbusBoardSettings(
        model=model,
        line=line,
        unit=reader.integer("address", model.unit, 1, 247),
        timing=Timing(
            reader.number("timeout_s", model.timeout_s, 0.01, 10.0),
            reader.number("gap_s", model.gap_s, 0.0, 10.0),
            reader.integer("retries", 3, 0, 10),
        ),
        local_echo=reader.flag("local_echo", False),
        name=reader.text("name", model_name or "modbus_board"),
        min_a=min_a,
        max_a=max_a,
        phases=reader.integer("phases", 3, 1, 3),
        voltage_v=reader.number("voltage_v", 230.0, 80.0, 300.0),
        idle_s=max(active_s, model.idle_s),
        active_s=active_s,
        meter=reader.flag("meter", model.meter is not None),
        fixed_cable=fixed_cable,
        connector_type=reader.text("connector_type", "cType2" if fixed_cable else "sType2"),
        ventilated=reader.flag("ventilated", False),
        host_loss_s=_host_loss_s(reader, settings, model),
        host_loss_a=reader.number("host_loss_a", 0.0, 0.0, max_a),
        boot_a=_boot_a(reader, settings, model, max_a),
    )
    _check(reader, found)
    reader.finish()
    return found


def _model(reader: SettingsReader, settings: Mapping[str, object], name: str | None) -> BoardModel:
    if name is None:
        if "model" not in settings:
            reader.problems.append("board.model: is missing; must be a name of hal/boards, or a path to a .toml file")
        name = reader.text("model", _STAND_IN)
    try:
        return load(name)
    except ConfigError as error:
        reader.problems.append(str(error))
        return load(_STAND_IN)


def _line(reader: SettingsReader, model: BoardModel, port: str) -> Line:
    baud, parity = (
        reader.integer("baud", model.baud, 50, 4_000_000),
        reader.text("parity", model.parity, ("N", "E", "O")),
    )
    stop_bits = reader.integer("stop_bits", model.stop_bits, 1, 2)
    try:
        return Line(port or "/dev/null", baud, parity, stop_bits)
    except ConfigError as error:
        reader.problems.append(str(error).replace("line.", "board.", 1))
        return Line("/dev/null")


def _host_loss_s(reader: SettingsReader, settings: Mapping[str, object], model: BoardModel) -> float | None:
    watchdog = model.watchdog
    default = 0.0 if watchdog is None else watchdog.default_s
    seconds = reader.number("host_loss_s", default, 0.0, 3600.0 if watchdog is None else watchdog.most_s)
    if watchdog is None:
        reader.problems += [
            f"board.{field}: the {model.name} has no watchdog; leave it out"
            for field in ("host_loss_s", "host_loss_a")
            if field in settings
        ]
        return None
    if 0.0 < seconds < watchdog.least_s:
        reader.problems.append(f"board.host_loss_s: must be 0 or at least {watchdog.least_s:g}, is {seconds:g}")
    return seconds


def _boot_a(reader: SettingsReader, settings: Mapping[str, object], model: BoardModel, max_a: float) -> float | None:
    amps = reader.number("boot_a", 0.0, 0.0, max_a)
    if model.boot is None:
        if "boot_a" in settings:
            reader.problems.append(f"board.boot_a: the {model.name} has no register for it; leave it out")
        return None
    return amps


def _check(reader: SettingsReader, found: ModbusBoardSettings) -> None:
    if found.phases == 2:
        reader.problems.append("board.phases: must be 1 or 3, is 2")
    if found.meter and found.model.meter is None:
        reader.problems.append(f"board.meter: the {found.model.name} has no meter; leave it out")
    for field, amps in (("host_loss_a", found.host_loss_a), ("boot_a", found.boot_a)):
        if amps and amps < found.min_a:
            reader.problems.append(f"board.{field}: must be 0 or at least {found.min_a:g} (min_a), is {amps:g}")
