"""`station sim`: a bench with a person at it. A screen with keys on a terminal, plain lines anywhere else."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any

from station import logs
from station.clock import Clock, Now, iso
from station.core.effects import Effect
from station.core.events import Event, NetworkUsed
from station.core.facts import TxFact
from station.core.types import TxPhase
from station.errors import StationError
from station.runtime.control_socket import listening
from station.sim.brief import Conversation, offered
from station.sim.demo import Demo
from station.sim.farewell import farewell
from station.sim.lab import Lab, run_lab
from station.sim.loop import sleep
from station.sim.options import SimOptions, settings_of
from station.sim.panel import front_panel, panel_settings, together
from station.sim.security_options import PROFILE_WORDS

__all__ = ["Lines", "Remembered", "SimOptions", "Tally", "place", "run_sim", "signals"]

REDRAW_S = 0.125
FOLLOW_S = 1.5
# With "max" nobody follows anyway: a day is a fair demonstration and then it ends.
MAX_SPEED_DAY_S = 86_400.0
STATUS_EVERY_S = 60.0
REAL_CHARGE_S = 60.0  # with real drivers nobody waits for a full battery
TROUBLE_LOOK_S = 2.0


def run_sim(options: SimOptions) -> int:
    """Run until the end, `q`, Ctrl-C or SIGTERM. Raises ConfigError and StationError."""
    screen = not options.plain and _has_screen()
    hurried = not screen and options.speed is None
    settings, web = together(lambda: settings_of(options), lambda: panel_settings(options.panel, hurried=hurried))
    logs.set_up("ERROR" if screen else "WARNING", "text", os.environ)
    # Both views say in their own words why there is no connection.
    logging.getLogger("station.link").setLevel(logging.ERROR)
    show = _with_screen if screen else _with_lines

    async def work(lab: Lab) -> None:
        browser = options.panel.browser if options.panel is not None else None
        panel = front_panel(lab.control, web, browser=browser, person=screen)
        async with listening(lab.control, options.socket):
            with signals() as ended, panel as where:
                await show(
                    lab, options, ended, [line for line in (lab.hardware.words, where, _socket(options)) if line]
                )

    with contextlib.suppress(KeyboardInterrupt):
        run_lab(settings, work, start_wall=Clock().now().wall)
    return 0


def _socket(options: SimOptions) -> str:
    return f"control socket: {options.socket}" if options.socket is not None else ""


def _has_screen() -> bool:
    return sys.stdout.isatty() and sys.stdin.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")


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
            if not isinstance(fact, TxFact):
                continue
            if fact.register_wh is not None:
                self._begun.setdefault(fact.tx_id, fact.register_wh)
            if fact.phase is TxPhase.ENDED:
                self._ended += 1
                begun = self._begun.pop(fact.tx_id, None)
                if begun is not None and fact.register_wh is not None:
                    self._energy_wh += fact.register_wh - begun

    def _frame(self, _wall: float, _direction: str, text: str, _action: str | None, _verdict: str) -> None:
        self._frames += 1
        self._errors += text.startswith("[4,")

    def __str__(self) -> str:
        parts = [f"{_count(self._ended, 'session')} ended ({self._energy_wh / 1000:.3f} kWh)"]
        app = self._lab.app
        if app is None:
            return f"{parts[0]}; {self._talk()}; the power is cut"
        running = [evse.transaction for evse in app.view().evses if evse.transaction is not None]
        if running:
            parts.append(f"{len(running)} running ({sum(tx.energy_wh for tx in running) / 1000:.3f} kWh)")
        return f"{', '.join(parts)}; {self._talk()}; {self._delivered(len(app.client.records))}"

    def _delivered(self, waiting: int) -> str:
        if not waiting:
            return "all delivered"
        text = f"{_count(waiting, 'record')} {'waits' if waiting == 1 else 'wait'} for the CSMS"
        if self._lab.settings.folder is None:
            text += ", gone with the temporary database (--store DIR keeps them)"
        return text

    def _talk(self) -> str:
        return f"{_count(self._frames, 'frame')}, {_count(self._errors, 'error')}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


# --- running ------------------------------------------------------------------------------------------------------------


def _demo(lab: Lab, options: SimOptions) -> Demo:
    charge_s = REAL_CHARGE_S if options.wire else math.inf
    return Demo(lab, pause_s=FOLLOW_S * (options.speed or 4.0), token=options.token, charge_s=charge_s)


def place(lab: Lab) -> str:
    """Who is called, for people: never the whole URL, which may hold a secret."""
    url = lab.settings.csms_url
    if url is None:
        return "the embedded CSMS"
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0].partition('?')[0]}"


@contextlib.contextmanager
def signals() -> Iterator[asyncio.Future[None]]:
    """A future that is done as soon as somebody wants us to end. Ctrl-C is asyncio's own business: it cancels."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()
    numbers = (signal.SIGTERM, signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, _done, ended)
    try:
        yield ended
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


async def _until_over(
    lab: Lab, options: SimOptions, over: set[asyncio.Future[None]], *work: Coroutine[Any, Any, None]
) -> None:
    """Run `work` until the time is up or one of `over` is done. Raises what a work raises."""
    endings = set(over)
    tasks = {asyncio.ensure_future(each) for each in work}
    duration = MAX_SPEED_DAY_S if options.speed is None else None
    duration = options.duration_s if options.duration_s is not None else duration
    if duration is not None:
        clock = asyncio.ensure_future(sleep(lab.scheduler, duration))
        tasks.add(clock)
        endings.add(clock)
    waiting = endings | tasks
    try:
        while not any(ending.done() for ending in endings):
            finished, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for each in finished:
                each.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await farewell(lab)
    for ending in over:
        if ending.done():
            ending.result()


def _done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


# --- lines --------------------------------------------------------------------------------------------------------------


class Lines:
    """Standard output, line by line.

    `gone` is done as soon as nobody reads it any more (`| head`), and holds the OSError of a device that takes no more:
    it must not be raised where a frame is told, but where the run is waited for.
    """

    def __init__(self) -> None:
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def say(self, wall: float, text: str) -> None:
        if self.gone.done():
            return
        try:
            sys.stdout.write(f"{iso(wall)} {text}\n")
            sys.stdout.flush()
        except BrokenPipeError:
            self.end()
        except OSError as error:
            self.gone.set_exception(error)

    def end(self) -> None:
        """Say nothing more."""
        _done(self.gone)


async def _with_lines(lab: Lab, options: SimOptions, ended: asyncio.Future[None], places: Sequence[str]) -> None:
    conversation = Conversation()
    tally = Tally(lab)
    lines = Lines()

    def frame(wall: float, direction: str, text: str, _action: str | None, _verdict: str) -> None:
        brief = conversation.brief(direction, text)
        arrow = "station >" if direction == "out" else "   < CSMS"
        kind = "" if brief.kind == "call" else f"{brief.kind}: "
        lines.say(wall, f"{arrow} {brief.action} {kind}{brief.text}")

    lab.on_frame(frame)
    lines.say(
        lab.clock.now().wall,
        f"station {options.identity}, OCPP {options.version}, seed {lab.settings.seed}, towards {place(lab)}",
    )
    for each in places:
        lines.say(lab.clock.now().wall, each)
    _profile_lines(lab, lines)
    work = [_status_lines(lab, lines), _trouble_lines(lab, lines)]
    if options.demo:
        work.append(_demo(lab, options).run())
    try:
        await _until_over(lab, options, {ended, lines.gone}, *work)
    finally:
        lines.say(lab.clock.now().wall, str(tally))
        lines.end()


async def _status_lines(lab: Lab, lines: Lines) -> None:
    while True:
        await sleep(lab.scheduler, STATUS_EVERY_S)
        if not lab.powered:
            continue
        for view in lab.view().evses:
            tx = view.transaction
            if tx is None:
                continue
            power = (view.reading.power_w or 0.0) / 1000 if view.reading else 0.0
            car = lab.devices.car(view.evse)
            soc = f", car {car.soc_percent:.1f} %" if car else ""
            lines.say(
                lab.clock.now().wall,
                f"EVSE {view.evse} {tx.charging_state.value}: {power:.1f} kW, {tx.energy_wh / 1000:.3f} kWh{soc}, "
                f"offered {offered(view)}",
            )


async def _trouble_lines(lab: Lab, lines: Lines) -> None:
    """Say once why there is no connection, and that it is being tried again."""
    told = None
    while True:
        await sleep(lab.scheduler, TROUBLE_LOOK_S)
        trouble = lab.trouble
        if trouble is not None and trouble != told:
            lines.say(lab.clock.now().wall, f"no connection to {place(lab)}, trying again: {trouble}")
        told = trouble


def _profile_lines(lab: Lab, lines: Lines) -> None:
    """Say over which security profile the CSMS has accepted the station, whenever it is another."""
    told: int | None = None

    def turned(event: Event | None, _effects: list[Effect], now: Now) -> None:
        nonlocal told
        if isinstance(event, NetworkUsed) and event.security_profile != told:
            told = event.security_profile
            lines.say(now.wall, f"security profile {told}: {PROFILE_WORDS[told]}")

    lab.on_turn(turned)


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


class Remembered(logging.Handler):
    """Log records that would spoil the screen: shown in its note, written out afterwards."""

    def __init__(self, show: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._show = show
        self.records: deque[logging.LogRecord] = deque(maxlen=100)

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        self._show(record.getMessage())


@contextlib.contextmanager
def _logs_in(screen: Any) -> Iterator[None]:
    """While open, logs go to the screen's note; errors are written to standard error when it is closed."""
    root = logging.getLogger()
    before = root.handlers[:]

    def show(text: str) -> None:
        screen.note = text

    remembered = Remembered(show)
    root.handlers[:] = [remembered]
    try:
        yield
    finally:
        root.handlers[:] = before
        for record in remembered.records:
            if record.levelno >= logging.ERROR:
                root.handle(record)


async def _with_screen(lab: Lab, options: SimOptions, ended: asyncio.Future[None], places: Sequence[str]) -> None:
    try:
        from rich.live import Live

        from station.sim.keys import Keys, keyboard
        from station.sim.screen import Screen
    except ImportError as error:
        raise StationError(
            f"the screen needs the extra `sim`: pip install 'pilotwire[sim]', or use --plain ({error})"
        ) from error
    screen = Screen(lab, place(lab), places)
    tally = Tally(lab)
    demo = _demo(lab, options)
    keys = Keys(lab, screen, demo)
    work = [demo.run()] if options.demo else []
    try:
        with _logs_in(screen):
            with Live(screen, screen=True, auto_refresh=False) as live, _redraw(live.refresh), keyboard(keys.press):
                await _until_over(lab, options, {ended, keys.quit}, *work)
            await keys.close()
    finally:
        sys.stdout.write(f"{tally}\n")
