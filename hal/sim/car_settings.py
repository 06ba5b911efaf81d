"""What a simulated car is: read from a table, checked, frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from hal.errors import ConfigError
from hal.settings import SettingsReader

# Direct current that the battery accepts over SoC: far above any onboard charger until near the end.
DEFAULT_CURVE = ((0.0, 100_000.0), (60.0, 100_000.0), (80.0, 50_000.0), (95.0, 11_000.0), (100.0, 1_500.0))


@dataclass(frozen=True, slots=True)
class CarSettings:
    """What a car is and how it behaves. Raises ConfigError for values that no car has.

    curve: (SoC percent, W into the battery), rising SoC. phases, max_a: of the onboard charger, per phase.
    keeps_phases: it finds out once, when it first draws, how many phases there are; more that come later it leaves alone until it is
    replugged, as many cars do.
    s2_close_s: from an offer to C. start_s: from voltage to current. follow_s: to a changed offer (IEC: 5 s at most).
    stop_s: from X1 to no current and S2 open (IEC: 3 s at most); ignores_x1: a car that does neither.
    sleeps_after_s: after so long without an offer it no longer answers to one until it is woken (pilot state F,
    replugging or its app); None: it never sleeps.
    departure_after_s: so long after plugging in, its driver ends the charge and pulls the plug; None: stays.
    """

    name: str = "car"
    capacity_wh: float = 60_000.0
    soc_percent: float = 20.0
    target_percent: float = 100.0
    max_power_w: float = 100_000.0
    curve: tuple[tuple[float, float], ...] = DEFAULT_CURVE
    phases: int = 3
    keeps_phases: bool = False
    max_a: float = 16.0
    min_a: float = 6.0
    efficiency: float = 0.92
    power_factor: float = 0.99
    ventilation: bool = False
    s2_close_s: float = 0.5
    start_s: float = 1.5
    follow_s: float = 2.0
    stop_s: float = 1.0
    ignores_x1: bool = False
    sleeps_after_s: float | None = None
    departure_after_s: float | None = None

    def __post_init__(self) -> None:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        _read({name: value for name, value in values.items() if value is not None})
        socs = [soc for soc, _ in self.curve]
        if socs != sorted(set(socs)) or not all(0.0 <= soc <= 100.0 for soc in socs):
            raise ConfigError("car.curve: the SoC values must rise from point to point within 0 to 100")
        if not all(power > 0.0 for _, power in self.curve):
            raise ConfigError("car.curve: every power must be above 0 W, or the battery would never be full")


def _read(values: Mapping[str, object]) -> dict[str, object]:
    reader = SettingsReader("car", values)
    result: dict[str, object] = {
        "name": reader.text("name", "car"),
        "capacity_wh": reader.number("capacity_wh", 60_000.0, 100.0, 2_000_000.0),
        "soc_percent": reader.number("soc_percent", 20.0, 0.0, 100.0),
        "target_percent": reader.number("target_percent", 100.0, 0.0, 100.0),
        "max_power_w": reader.number("max_power_w", 100_000.0, 100.0, 10_000_000.0),
        "curve": reader.points("curve", DEFAULT_CURVE),
        "phases": reader.integer("phases", 3, 1, 3),
        "keeps_phases": reader.flag("keeps_phases", False),
        "max_a": reader.number("max_a", 16.0, 6.0, 80.0),
        "min_a": reader.number("min_a", 6.0, 6.0, 80.0),
        "efficiency": reader.number("efficiency", 0.92, 0.1, 1.0),
        "power_factor": reader.number("power_factor", 0.99, 0.1, 1.0),
        "ventilation": reader.flag("ventilation", False),
        "s2_close_s": reader.number("s2_close_s", 0.5, 0.0, 600.0),
        "start_s": reader.number("start_s", 1.5, 0.0, 600.0),
        "follow_s": reader.number("follow_s", 2.0, 0.0, 5.0),
        "stop_s": reader.number("stop_s", 1.0, 0.0, 3.0),
        "ignores_x1": reader.flag("ignores_x1", False),
        "sleeps_after_s": reader.optional_number("sleeps_after_s", 0.0),
        "departure_after_s": reader.optional_number("departure_after_s", 0.0),
    }
    reader.finish()
    return result


def car_settings(values: Mapping[str, object]) -> CarSettings:
    """Settings from a configuration table or a scenario. Raises ConfigError naming every wrong field."""
    return CarSettings(**_read(values))  # type: ignore[arg-type]  # _read has checked each type by name
