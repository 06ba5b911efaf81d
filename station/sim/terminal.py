"""`station sim`: a bench with a person at it. A screen with keys on a terminal, plain lines anywhere else."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hal.api import FaultCode
from hal.errors import HalError
from station import logs
from station.clock import Clock, iso
from station.core.facts import TxFact
from station.core.types import TxPhase
from station.errors import ConfigError, StationError
from station.sim.brief import Conversation
from station.sim.demo import Demo
from station.sim.lab import KNOWN_TOKENS, Lab, LabSettings, run_lab
from station.sim.loop import sleep

REDRAW_S = 0.125
FOLLOW_S = 1.5
# With "max" nobody follows anyway: a day is a fair demonstration and then it ends.
MAX_SPEED_DAY_S = 86_400.0
FASTER = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
STATUS_EVERY_S = 60.0
# Keys that change what happens at an EVSE: from then on the demo keeps its hands off.
ACTING = frozenset("psxefc")


@dataclass(frozen=True, slots=True)
class SimOptions:
    """The command line of `station sim`."""

    version: str = "2.0.1"
    csms_url: str | None = None
    identity: str = "PILOT-1"
    password_file: Path | None = None
    speed: float | None = 10.0
    evses: int = 2
    seed: str = "1"
    folder: Path | None = None
    demo: bool = True
    plain: bool = False
    duration_s: float | None = None


def run_sim(options: SimOptions) -> int:
    """Run until the end, `q` or Ctrl-C. Raises ConfigError and StationError."""
    if options.csms_url is not None and options.speed is None:
        raise ConfigError(["--speed: max needs the embedded CSMS; towards --csms use a number"])
    if options.folder is not None:
        options.folder.mkdir(parents=True, exist_ok=True)
    settings = LabSettings(
        versions=(options.version,),
        csms_url=options.csms_url,
        identity=options.identity,
        password=_password(options.password_file),
        evses=options.evses,
        speed=options.speed,
        seed=options.seed,
        folder=options.folder,
        # A person at ten times the speed needs more than the usual minute between card and cable.
        variables={"TxCtrlr.EVConnectionTimeOut": "300"},
        meter_poll_s=min(5.0, max(1.0, (options.speed or 60.0) / 4)),
    )
    screen = not options.plain and sys.stdout.isatty() and sys.stdin.isatty()
    logs.set_up("ERROR" if screen else "WARNING", "text", os.environ)
    show = _with_screen if screen else _with_lines
    with contextlib.suppress(KeyboardInterrupt):
        run_lab(settings, lambda lab: show(lab, options), start_wall=Clock().now().wall)
    return 0


def _password(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        return file.read_text(encoding="utf-8").splitlines()[0]
    except (OSError, IndexError, UnicodeDecodeError) as error:
        raise ConfigError([f"--password-file: cannot read a password from {file}: {error}"]) from error


class Tally:
    """What the run came to, for the last lines."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._ended = 0
        self._energy_wh = 0.0
        self._frames = 0
        self._errors = 0
        self._begun: dict[str, float] = {}
        lab.on_turn(lambda _event, effects, _now: self._count(effects))
        lab.on_frame(self._frame)

    def _count(self, effects: list[Any]) -> None:
        for effect in effects:
            fact = getattr(effect, "fact", None)
            if not isinstance(fact, TxFact) or fact.register_wh is None:
                continue
            self._begun.setdefault(fact.tx_id, fact.register_wh)
            if fact.phase is TxPhase.ENDED:
                self._ended += 1
                self._energy_wh += fact.register_wh - self._begun[fact.tx_id]

    def _frame(self, _wall: float, _direction: str, text: str, _action: str | None, _verdict: str) -> None:
        self._frames += 1
        self._errors += text.startswith("[4,")

    def __str__(self) -> str:
        app = self._lab.app
        waiting = (
            "records waiting for the CSMS" if app is not None and app.client.services.queued() else "all delivered"
        )
        return (
            f"{self._ended} sessions ended, {self._energy_wh / 1000:.3f} kWh; {self._frames} frames, "
            f"{self._errors} errors; {waiting}"
        )


# --- lines --------------------------------------------------------------------------------------------------------------


async def _with_lines(lab: Lab, options: SimOptions) -> None:
    conversation = Conversation()
    tally = Tally(lab)

    def frame(wall: float, direction: str, text: str, _action: str | None, _verdict: str) -> None:
        brief = conversation.brief(direction, text)
        arrow = "station >" if direction == "out" else "   < CSMS"
        _say(wall, f"{arrow} {brief.action} {'' if brief.kind == 'call' else brief.kind + ': '}{brief.text}")

    lab.on_frame(frame)
    where = lab.settings.csms_url or "the embedded CSMS"
    _say(
        lab.clock.now().wall,
        f"station {options.identity}, OCPP {options.version}, seed {options.seed}, towards {where}",
    )
    try:
        await _work(lab, options, _demo(lab, options), _status_lines(lab))
    finally:
        _say(lab.clock.now().wall, str(tally))


def _say(wall: float, text: str) -> None:
    sys.stdout.write(f"{iso(wall)} {text}\n")
    sys.stdout.flush()


def _demo(lab: Lab, options: SimOptions) -> Demo:
    return Demo(lab, pause_s=FOLLOW_S * (options.speed or 4.0))


async def _status_lines(lab: Lab) -> None:
    while True:
        await sleep(lab.scheduler, STATUS_EVERY_S)
        if not lab.powered:
            continue
        for view in lab.view().evses:
            tx = view.transaction
            if tx is None:
                continue
            power = (view.reading.power_w or 0.0) / 1000 if view.reading else 0.0
            car = lab.board.car(view.evse)
            soc = f", car {car.soc_percent:.1f} %" if car else ""
            _say(
                lab.clock.now().wall,
                f"EVSE {view.evse} {tx.charging_state.value}: {power:.1f} kW, {tx.energy_wh / 1000:.3f} kWh{soc}, "
                f"offered {view.offered_a:g} A because: {view.cause}",
            )


async def _work(lab: Lab, options: SimOptions, demo: Demo, *others: Coroutine[Any, Any, None]) -> None:
    """The demo and whatever else, until the time is over."""
    duration = options.duration_s
    if duration is None and options.speed is None:
        duration = MAX_SPEED_DAY_S
    tasks = [asyncio.ensure_future(other) for other in others]
    if options.demo:
        tasks.append(asyncio.ensure_future(demo.run()))
    try:
        if duration is None:
            await asyncio.get_running_loop().create_future()
        else:
            await sleep(lab.scheduler, duration)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


# --- screen -------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _redraw(draw: Callable[[], None]) -> Iterator[None]:
    """Call `draw` in the loop eight times a second of real time, however fast simulated time runs."""
    loop = asyncio.get_running_loop()
    over = threading.Event()

    def tick() -> None:
        while not over.wait(REDRAW_S):
            try:
                loop.call_soon_threadsafe(draw)
            except RuntimeError:  # the loop is closed
                return

    thread = threading.Thread(target=tick, name="redraw", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


async def _with_screen(lab: Lab, options: SimOptions) -> None:
    try:
        from rich.live import Live

        from station.sim.keys import keyboard
        from station.sim.screen import Screen
    except ImportError as error:
        raise StationError(
            f"the screen needs the extra `sim`: pip install 'pilotwire[sim]', or use --plain ({error})"
        ) from error
    screen = Screen(lab)
    tally = Tally(lab)
    demo = _demo(lab, options)
    hands = Keys(lab, screen, demo)
    work = asyncio.ensure_future(_work(lab, options, demo))
    with Live(screen, screen=True, auto_refresh=False) as live:
        with _redraw(live.refresh), keyboard(hands.press):
            await asyncio.wait({work, hands.quit}, return_when=asyncio.FIRST_COMPLETED)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
    sys.stdout.write(f"{tally}\n")


class Keys:
    """What the keys do. Every key answers with a note, also when it could do nothing. Whoever acts ends the demo."""

    def __init__(self, lab: Lab, screen: Any, demo: Demo) -> None:
        self._lab = lab
        self._screen = screen
        self._demo = demo
        self._tasks: set[asyncio.Task[None]] = set()
        self.quit: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._actions: dict[str, Callable[[], str]] = {
            "p": self._plug,
            "s": self._swipe,
            "x": self._stop,
            "e": self._unplug_at_car,
            "f": self._fault,
            "o": self._offline,
            "c": self._power,
            "+": lambda: self._speed(+1),
            "-": lambda: self._speed(-1),
            " ": self._pause,
            "q": self._quit,
        }
        self._before_pause: float | None = 1.0

    def press(self, key: str) -> None:
        if key.isdigit() and 1 <= int(key) <= self._lab.settings.evses:
            self._screen.chosen = int(key)
            self._screen.note = f"keys act on EVSE {key}"
            return
        action = self._actions.get(key.lower())
        if action is None:
            return
        if key.lower() in ACTING:
            self._demo.over = True
        try:
            self._screen.note = action()
        except (HalError, StationError) as error:
            self._screen.note = str(error)

    @property
    def _evse(self) -> int:
        return int(self._screen.chosen)

    @property
    def _token(self) -> str:
        return KNOWN_TOKENS[(self._evse - 1) % len(KNOWN_TOKENS)]

    def _plug(self) -> str:
        board = self._lab.board
        if board.car(self._evse) is None:
            self._lab.plug(self._evse)
            return f"a car is plugged in at EVSE {self._evse}"
        self._lab.unplug(self._evse)
        return f"EVSE {self._evse} is unplugged"

    def _swipe(self) -> str:
        read = self._lab.swipe(self._token, self._evse)
        return f"card {self._token} at EVSE {self._evse}" if read else "nobody read the card"

    def _stop(self) -> str:
        tx = self._lab.view().evse(self._evse).transaction
        if tx is None or tx.token is None:
            return f"nothing to stop at EVSE {self._evse}"
        self._lab.swipe(tx.token.value, self._evse, tx.token.kind)
        return f"stopped at EVSE {self._evse}"

    def _unplug_at_car(self) -> str:
        self._lab.unplug(self._evse, at_car=True)
        return "the cable is pulled out of the car"

    def _fault(self) -> str:
        faults = self._lab.view().evse(self._evse).faults
        if faults:
            for code in faults:
                self._lab.clear(code, self._evse)
            return "fault cleared"
        self._lab.fault(FaultCode.GROUND_FAILURE, self._evse, "the RCD tripped")
        return "the RCD tripped"

    def _offline(self) -> str:
        if self._lab.online:
            self._spawn(self._lab.offline())
            return "the network cable is unplugged"
        self._spawn(self._lab.go_online())
        return "the network is back"

    def _power(self) -> str:
        if self._lab.powered:
            self._spawn(self._lab.power_cut())
            return "the power is cut"
        self._spawn(self._lab.power_on())
        return "the power is back"

    def _speed(self, step: int) -> str:
        now = self._screen.speed if self._screen.speed is not None else FASTER[-1]
        nearest = min(range(len(FASTER)), key=lambda i: abs(FASTER[i] - now))
        return self._set_speed(FASTER[max(1, min(len(FASTER) - 1, nearest + step))])

    def _pause(self) -> str:
        if self._screen.speed == 0:
            return self._set_speed(self._before_pause or 1.0)
        self._before_pause = self._screen.speed
        return self._set_speed(0.0)

    def _set_speed(self, speed: float) -> str:
        self._screen.speed = speed
        self._lab.set_speed(speed)
        return "time stands still" if speed == 0 else f"speed x{speed:g}"

    def _quit(self) -> str:
        if not self.quit.done():
            self.quit.set_result(None)
        return "bye"

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
