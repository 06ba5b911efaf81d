"""A02 and A03 on virtual time: when SignCertificate is sent, sent again, and given up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from station.errors import LinkError, SecurityError
from station.runtime.jobs import JobRun
from station.runtime.signing import SIGN, Ending, Signing
from station.security.api import LeafKind
from station.sim.loop import run as run_virtual


class Line:
    """The way to the CSMS. `answers`: what it says, the last for ever; None: nothing, until `late_s` are over."""

    def __init__(self) -> None:
        self.online = True
        self.answers: list[str | None] = ["Accepted"]
        self.late_s = 30.0
        self.goes_down = False
        self.sent: list[tuple[float, str]] = []

    def sign_certificate(self, csr_pem: str, kind: LeafKind) -> asyncio.Future[str]:
        assert kind is LeafKind.STATION
        return asyncio.ensure_future(self._answer(csr_pem))

    async def _answer(self, csr_pem: str) -> str:
        self.sent.append((asyncio.get_running_loop().time(), csr_pem))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if self.goes_down:
            self.online = self.goes_down = False
            raise LinkError("the link is lost")
        if answer is None:
            await asyncio.sleep(self.late_s)
            raise LinkError("the CSMS did not answer SignCertificate")
        return answer

    @property
    def times(self) -> list[float]:
        return [at for at, _ in self.sent]


class Rows:
    """What the job keeps."""

    def __init__(self) -> None:
        self.saved: list[object] = []

    def save(self, run: JobRun) -> None:
        self.saved.append(dict(run.state))


@dataclass
class Bench:
    """One request: the line, the store with its requests, and the job's row."""

    line: Line = field(default_factory=Line)
    rows: Rows = field(default_factory=Rows)
    made: list[bool] = field(default_factory=list)
    wait_s: float = 30.0
    repeats: int = 3
    broken: bool = False
    makes_for_s: float = 0.0

    def __post_init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.signing = Signing(
            LeafKind.STATION, self.line, loop, self.request, lambda: self.wait_s, lambda: self.repeats
        )
        self.task: asyncio.Task[Ending] | None = None

    async def request(self, fresh: bool) -> str:
        if self.broken:
            raise SecurityError("the folder is read-only")
        await asyncio.sleep(self.makes_for_s)
        self.made.append(fresh)
        return f"CSR {sum(self.made)}"

    def start(self, **state: int) -> asyncio.Task[Ending]:
        run = JobRun("sign", SIGN, {"kind": "ChargingStationCertificate"}, 1, dict(state), self.rows)  # type: ignore[arg-type]  # saves only
        self.task = asyncio.ensure_future(self.signing.run(run))
        return self.task


def play(case: Callable[[Bench], Awaitable[None]]) -> None:
    async def main() -> None:
        bench = Bench()
        try:
            await case(bench)
        finally:
            if bench.task is not None:
                bench.task.cancel()
                await asyncio.gather(bench.task, return_exceptions=True)

    run_virtual(main())


def test_the_pause_doubles_until_it_is_given_up():
    """A02.FR.17 to FR.19."""

    async def case(bench: Bench) -> None:
        assert await bench.start() is Ending.GIVEN_UP
        assert bench.line.sent == [(0.0, "CSR 1"), (30.0, "CSR 1"), (90.0, "CSR 1"), (210.0, "CSR 1")]
        assert asyncio.get_running_loop().time() == 450.0  # the last one has its time too
        assert bench.made == [True]

    play(case)


def test_no_repetitions():
    async def case(bench: Bench) -> None:
        bench.repeats = 0
        assert await bench.start() is Ending.GIVEN_UP
        assert bench.line.times == [0.0]

    play(case)


@pytest.mark.parametrize(("valid", "ending"), [(True, Ending.SIGNED), (False, Ending.INVALID)])
def test_the_certificate_comes(valid, ending):
    """An invalid one ends it too: nothing is asked for again (A02.FR.20)."""

    async def case(bench: Bench) -> None:
        task = bench.start()
        await asyncio.sleep(40.0)
        bench.signing.answered(valid=valid)
        assert await task is ending
        assert bench.line.times == [0.0, 30.0]

    play(case)


def test_it_may_come_before_the_answer_to_the_request():
    async def case(bench: Bench) -> None:
        bench.line.answers = [None]
        task = bench.start()
        await asyncio.sleep(5.0)
        bench.signing.answered(valid=True)
        assert await task is Ending.SIGNED
        assert bench.line.times == [0.0]

    play(case)


def test_a_refused_request_is_not_sent_again():
    """TC_A_15."""

    async def case(bench: Bench) -> None:
        bench.line.answers = ["Rejected"]
        assert await bench.start() is Ending.REFUSED
        assert bench.line.times == [0.0]

    play(case)


def test_without_an_answer_it_is_sent_again():
    """A CSMS that does not know the message, or was too busy."""

    async def case(bench: Bench) -> None:
        bench.line.answers = [None, "Accepted"]
        assert await bench.start() is Ending.GIVEN_UP
        assert bench.line.times == [0.0, 60.0, 120.0, 240.0]

    play(case)


def test_offline_it_waits_for_the_link():
    async def case(bench: Bench) -> None:
        bench.line.online = False
        bench.start()
        await asyncio.sleep(1000.0)
        assert bench.made == [True]
        assert bench.line.sent == []
        bench.line.online = True
        bench.signing.link_up()
        await asyncio.sleep(1.0)
        assert bench.line.times == [1000.0]

    play(case)


def test_a_link_lost_before_the_answer_does_not_count():
    async def case(bench: Bench) -> None:
        bench.line.goes_down = True
        task = bench.start()
        await asyncio.sleep(100.0)
        bench.line.online = True
        bench.signing.link_up()
        assert await task is Ending.GIVEN_UP
        assert bench.line.times == [0.0, 100.0, 130.0, 190.0, 310.0]

    play(case)


def test_a_link_that_comes_up_shortens_no_pause():
    async def case(bench: Bench) -> None:
        bench.start()
        await asyncio.sleep(10.0)
        bench.signing.link_up()
        await asyncio.sleep(25.0)
        assert bench.line.times == [0.0, 30.0]

    play(case)


def test_triggered_it_need_not_wait_to_be_accepted():
    """B02.FR.02: while Pending, what the CSMS asked for may be sent; but repetitions wait."""

    async def case(bench: Bench) -> None:
        bench.line.online = False
        bench.signing.prompt()
        bench.start()
        await asyncio.sleep(100.0)
        assert bench.line.times == [0.0]
        assert bench.made == [True]

    play(case)


def test_triggered_again_it_begins_anew_with_another_key():
    """A02.FR.02."""

    async def case(bench: Bench) -> None:
        task = bench.start()
        await asyncio.sleep(100.0)
        bench.signing.prompt()
        await asyncio.sleep(1.0)
        assert bench.line.sent[-1] == (100.0, "CSR 2")
        assert bench.made == [True, True]
        assert await task is Ending.GIVEN_UP
        assert bench.line.times == [0.0, 30.0, 90.0, 100.0, 130.0, 190.0, 310.0]

    play(case)


def test_triggered_while_the_key_is_made_it_is_made_again():
    async def case(bench: Bench) -> None:
        bench.makes_for_s = 5.0
        bench.start()
        await asyncio.sleep(1.0)
        bench.signing.prompt()
        await asyncio.sleep(20.0)
        assert bench.line.sent == [(10.0, "CSR 2")]

    play(case)


def test_after_a_restart_it_goes_on():
    """The request in the store is sent again, and what was sent before counts."""

    async def case(bench: Bench) -> None:
        assert await bench.start(sent=2) is Ending.GIVEN_UP
        assert bench.made == [False]
        assert bench.line.times == [0.0, 120.0]

    play(case)


def test_the_row_says_how_often_it_was_sent():
    async def case(bench: Bench) -> None:
        await bench.start()
        assert bench.rows.saved == [{"sent": n} for n in range(5)]

    play(case)


def test_settings_are_looked_up_every_time():
    async def case(bench: Bench) -> None:
        task = bench.start()
        await asyncio.sleep(1.0)
        bench.repeats = 1
        bench.wait_s = 100.0
        assert await task is Ending.GIVEN_UP
        assert bench.line.times == [0.0, 30.0]
        assert asyncio.get_running_loop().time() == 230.0

    play(case)


def test_a_store_that_cannot_be_used(caplog):
    async def case(bench: Bench) -> None:
        bench.broken = True
        assert await bench.start() is Ending.FAILED
        assert bench.line.sent == []

    play(case)
    assert "read-only" in caplog.text
