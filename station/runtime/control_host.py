"""What the command table acts on: a `Host` is what every station offers, a `Bench` is the simulated world around one.

A host outlives the program in it: the program may be stopped, restarted or without power, and `program` is None then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from hal.api import HalEvent
from station.clock import Now
from station.core.effects import Effect
from station.core.events import Event, VariableWrite
from station.core.facts import Fact
from station.core.types import Verdict
from station.errors import ControlError, Problem
from station.runtime.ports import GatewayPort
from station.store.ops import StorePort

if TYPE_CHECKING:
    from station.runtime.control_memory import Memory

__all__ = [
    "About",
    "Bench",
    "CarPicture",
    "Client",
    "Expert",
    "FrameHeard",
    "Host",
    "KeyPicture",
    "Program",
    "Records",
    "TurnHeard",
    "ask",
    "conflict",
    "program_of",
]

REPLY_WITHIN_S = 60.0

FrameHeard = Callable[[float, str, str, str | None, str], None]
"""(wall time, direction "in" or "out", masked text, action, verdict)."""
TurnHeard = Callable[[Event | None, list[Effect], Now], None]


class Records(Protocol):
    """Records on their way to the CSMS."""

    def __len__(self) -> int: ...
    def facts(self) -> Iterator[Fact]: ...
    def aside(self) -> Iterator[Fact]: ...


class Registration(Protocol):
    status: str


@dataclass(frozen=True, slots=True)
class KeyPicture:
    """One configuration key of 1.6. `value` None: it is never told (a password)."""

    key: str
    value: str | None
    readonly: bool


class Expert(Protocol):
    """What a technician may do past the station's own logic, and what knows the protocol's words."""

    def send_call(self, action: str, payload: Mapping[str, Any]) -> str:
        """Send a valid CALL of the version spoken now; returns its id. Raises ControlError: no link, not valid."""

    def send_text(self, text: str) -> None:
        """Send anything. Raises ControlError without a link."""

    def complaint(self, kind: str, action: str, payload: Any) -> str | None:
        """What the schema says against a CALL or CALLRESULT of the version spoken now; None when nothing."""

    def key_rows(self) -> Sequence[KeyPicture]:
        """Every configuration key of 1.6, whether 1.6 is spoken or not."""

    def key_writes(self, name: str, value: str) -> tuple[VariableWrite, ...]:
        """What setting a key means, for a technician. Raises ControlError: no such key, no value of it, worked out."""


class Client(Protocol):
    """The OCPP side."""

    @property
    def online(self) -> bool: ...
    @property
    def version(self) -> str | None: ...
    @property
    def records(self) -> Records: ...
    @property
    def registration(self) -> Registration: ...
    def abandon(self, version: str) -> int: ...


class Program(Protocol):
    """The station's program while it runs."""

    @property
    def gateway(self) -> GatewayPort: ...
    @property
    def client(self) -> Client: ...
    @property
    def expert(self) -> Expert: ...
    @property
    def store(self) -> StorePort: ...
    @property
    def security_profile(self) -> int: ...
    def accept_meter(self, evse: int) -> bool:
        """Believe what the meter of an EVSE says next: it was replaced. False: there is none that is doubted."""


@dataclass(frozen=True, slots=True)
class About:
    """What the station is called and where it calls. `url` without credentials and query. seed: of the simulation, or None."""

    identity: str
    versions: tuple[str, ...]
    url: str
    evses: tuple[int, ...]
    seed: str | None = None


@dataclass(frozen=True, slots=True)
class CarPicture:
    """A car at an EVSE. wants: "energy", "nothing" (full or paused), or "sleeps"."""

    name: str
    soc_percent: float
    energy_wh: float
    power_w: float
    wants: str


class Host(Protocol):
    """Any station, real or simulated."""

    @property
    def program(self) -> Program | None:
        """The program, None while it does not run."""

    @property
    def bench(self) -> Bench | None:
        """The simulated part, None on real hardware."""

    @property
    def about(self) -> About: ...

    @property
    def memory(self) -> Memory:
        """Made when it is first asked for; it listens from then on."""

    @property
    def boots(self) -> int:
        """How often the program has started since this host was made."""

    @property
    def connected(self) -> bool:
        """The network is plugged in, as far as we know."""

    @property
    def powered(self) -> bool:
        """The supply is there."""

    @property
    def trouble(self) -> str | None:
        """Why there is no connection to the CSMS, in words."""

    @property
    def standing_still(self) -> bool:
        """Simulated time does not pass, so nothing that is planned comes about."""

    def time(self) -> float:
        """Monotonic seconds of the station's time."""

    def link_time(self) -> float:
        """Monotonic seconds as the link counts them: real ones towards a foreign CSMS, however fast simulated time passes."""

    def wall(self) -> float:
        """Wall time of the world around the station, for frames and while the program does not run."""

    def hear_turns(self, listener: TurnHeard) -> None:
        """Every event and its effects, of every start of the program."""

    def hear_frames(self, listener: FrameHeard) -> None:
        """Every frame, of every start of the program, secrets masked."""

    def inject(self, event: HalEvent) -> bool:
        """As if a card was held to the reader, a button pressed, a fault noticed. False: nobody noticed."""

    async def start(self) -> None:
        """Start the program. Raises ControlError when it runs, or cannot."""

    async def stop(self) -> None:
        """Stop the program in good order."""

    async def restart(self) -> None:
        """The program ends without a word and is started again; the board keeps its power."""


class Bench(Protocol):
    """The world around a simulated station: cars, meters, the supply, the network, time. EVSE numbers are the station's.

    Raises HalError, StationError or ControlError for what cannot be, and then nothing has changed.
    """

    def reconfigure(self, **changes: Any) -> None:
        """Other settings of the station (identity, versions, vendor, model, serial, boot_reason) from its next start on."""

    # cars
    def plug_car(self, evse: int, car: Mapping[str, Any], cable_a: float) -> CarPicture: ...
    def plug_again(self, evse: int, cable_a: float) -> CarPicture: ...
    def unplug(self, evse: int = 1, *, at_car: bool = False) -> None: ...
    def car_at(self, evse: int) -> CarPicture | None: ...
    def set_car(
        self,
        evse: int,
        *,
        state: str | None,
        demand_a: float | None,
        demand_w: float | None,
        soc_percent: float | None,
        ventilation: bool | None,
    ) -> CarPicture: ...

    # board
    def register_wh(self, evse: int) -> float: ...
    def set_meter(
        self,
        evse: int,
        *,
        energy_wh: float | None,
        voltage_v: float | None,
        power_w: float | str | None,
        frozen: bool | None,
        failing: bool | None,
    ) -> None: ...
    def set_temperature(self, evse: int, celsius: float) -> None: ...
    def jam(self, evse: int, jammed: bool) -> None: ...
    def break_rcd(self, evse: int, broken: bool) -> None: ...
    def wire(self, part: str, evse: int, *, plugged: bool | None, noise: float | None) -> None: ...

    # surroundings
    async def offline(self) -> None: ...
    async def go_online(self) -> None: ...
    async def power_cut(self, *, warning: bool = False) -> None: ...
    async def power_on(self) -> None: ...

    # time
    @property
    def speed(self) -> float | None:
        """Simulated seconds per second; None: as fast as possible."""

    def set_speed(self, speed: float | None) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    async def sleep(self, seconds: float) -> None: ...
    async def until(self, check: Callable[[], bool], within: float) -> bool: ...


def conflict(problem: str, field: str = "") -> ControlError:
    """It cannot be done as things are."""
    return ControlError("conflict", [Problem(field, problem)])


def program_of(host: Host) -> Program:
    """Raises ControlError while there is none."""
    program = host.program
    if program is None:
        why = "the program does not run: start it" if host.powered else "the station has no power"
        raise conflict(why)
    return program


async def ask(host: Host, make: Callable[[int], Event]) -> Verdict:
    """Give the core a command and wait for its answer. Raises ControlError when none comes (the program ended meanwhile)."""
    answer: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()

    def done(verdict: Verdict) -> None:
        if not answer.done():
            answer.set_result(verdict)

    program_of(host).gateway.command(make, done)
    if answer.done():
        return answer.result()
    try:
        async with asyncio.timeout(REPLY_WITHIN_S):
            return await answer
    except TimeoutError as error:
        raise conflict(
            f"the station did not answer within {REPLY_WITHIN_S:g} s; what came of it, its state tells"
        ) from error
