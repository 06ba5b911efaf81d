"""hal.drivers.openevse_link, openevse_commands and openevse_drive against a board that answers by a script."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from hal.api import PilotSignal
from hal.drivers.openevse_commands import Commands
from hal.drivers.openevse_drive import Drive
from hal.drivers.openevse_link import RapiLink
from hal.drivers.openevse_rapi import Message, Status, checksum
from hal.drivers.openevse_state import Target
from hal.errors import BusError, DeviceError
from station.sim.loop import run

Script = Callable[[str, str], list[str]]


class Scripted:
    """A port whose board answers each command (words, id) with lines, given without checksum."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.sent: list[str] = []
        self._arrived: asyncio.Queue[bytes] = asyncio.Queue()

    async def open(self) -> None:
        return

    async def read(self, most: int = 4096) -> bytes:
        data = await self._arrived.get()
        if not data:
            raise BusError("scripted: gone")
        return data

    async def write(self, data: bytes) -> None:
        words, _, sequence = data.decode()[1:].partition("^")[0].rpartition(" ")
        self.sent.append(words)
        self.say(*self.script(words, sequence))

    def say(self, *lines: str) -> None:
        """All in one piece."""
        wire = b"".join(b"%s^%02X\r" % (line.encode(), checksum(line.encode())) for line in lines)
        if wire:
            self._arrived.put_nowait(wire)

    def hang_up(self) -> None:
        self._arrived.put_nowait(b"")

    async def close(self) -> None:
        return


async def linked(script: Script) -> tuple[Scripted, RapiLink, list[Message]]:
    port, heard = Scripted(script), []
    link = RapiLink("/dev/x", port, heard.append, 0.5)
    await link.open()
    return port, link, heard


def test_an_answer_without_an_id_belongs_to_the_oldest_command() -> None:
    async def main() -> None:
        port, link, _ = await linked(lambda words, _: [])
        first, second = asyncio.ensure_future(link.ask("GS", urgent=True)), asyncio.ensure_future(link.ask("GE"))
        await asyncio.sleep(0.01)
        port.say("$OK 01 0 01 0200")
        port.say("$OK 16 0001")
        answers = [await first, await second]
        assert [answer.fields for answer in answers if answer is not None] == [
            ("01", "0", "01", "0200"),
            ("16", "0001"),
        ]
        assert port.sent == ["GS", "GE"]
        await link.close()

    run(main())


def test_a_refusal_without_our_id_means_that_it_could_not_read_us() -> None:
    async def main() -> None:
        tries: list[str] = []

        def script(words: str, sequence: str) -> list[str]:
            tries.append(sequence)
            return ["$NK"] if len(tries) == 1 else [f"$NK 16 {sequence}"]

        port, link, _ = await linked(script)
        answer = await link.ask("SC 20 V")
        assert answer is not None
        assert (answer.ok, answer.fields) == (False, ("16",))
        assert len(set(tries)) == 2  # another id each time: a late answer is not taken for this one
        assert port.sent == ["SC 20 V"] * 2
        await link.close()

    run(main())


def test_late_answers_are_not_taken_for_others() -> None:
    async def main() -> None:
        ids: list[str] = []

        def script(_: str, sequence: str) -> list[str]:
            ids.append(sequence)
            return [f"$OK old {ids[0]}", f"$OK new {sequence}"] if len(ids) == 2 else []

        _, link, _ = await linked(script)
        answer = await link.ask("GV")
        assert answer is not None
        assert answer.fields == ("new",)
        await link.close()

    run(main())


def test_silence_and_a_lost_line_are_bus_errors() -> None:
    async def main() -> None:
        port, link, _ = await linked(lambda words, _: [])
        began = asyncio.get_running_loop().time()
        with pytest.raises(BusError, match="does not answer 'GS'"):
            await link.ask("GS")
        assert asyncio.get_running_loop().time() - began == pytest.approx(1.0)
        waiting = asyncio.ensure_future(link.ask("GS"))
        await asyncio.sleep(0.1)
        port.hang_up()
        with pytest.raises(BusError, match="scripted: gone"):
            await waiting
        assert link.lost.is_set()
        with pytest.raises(BusError, match="scripted: gone"):
            await link.ask("GS")
        await link.close()
        await link.close()

    run(main())


def test_ids_never_are_zero_and_hundreds_of_commands_work() -> None:
    async def main() -> None:
        ids: list[str] = []

        def script(_: str, sequence: str) -> list[str]:
            ids.append(sequence)
            return [f"$OK {sequence}"]

        _, link, _ = await linked(script)
        for _ in range(600):
            await link.ask("SY")
        assert ":00" not in ids
        assert len(set(ids)) == 255
        await link.close()

    run(main())


def test_states_are_taken_in_the_order_in_which_the_board_told_them() -> None:
    async def main() -> None:
        seen: list[int] = []
        port = Scripted(lambda words, sequence: [f"$OK 00 0 01 0100 {sequence}", "$AT 02 02 16 0100"])
        link = RapiLink("/dev/x", port, lambda m: seen.append(m.state) if isinstance(m, Status) else None, 0.5)
        await link.open()
        await Commands(link).status(lambda status: seen.append(status.state))
        assert seen == [0, 2]
        await link.close()

    run(main())


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"SY": "$NK"}, "update its firmware"),
        ({"SY": "$OK 5 6 0", "GY": "$OK 0 6 0"}, "reads back 0 s with 6 A"),
        ({"SY": "$OK 5 6 0", "GY": "$OK"}, "nonsense"),
        ({"SY": "$OK 5 6 0", "GY": "$NK"}, "refuses 'GY'"),
    ],
)
def test_supervision_that_does_not_read_back_as_armed_is_an_error(answers: dict[str, str], words: str) -> None:
    async def main() -> None:
        _, link, _ = await linked(lambda asked, sequence: [f"{answers[asked.split()[0]]} {sequence}"])
        with pytest.raises(DeviceError, match=words):
            await Commands(link).arm(5, 6)
        await link.close()

    run(main())


@pytest.mark.parametrize(("answer", "words"), [("$OK 24", "offers 24 A where 10 A"), ("$NK", "refuses to offer 10 A")])
def test_a_board_that_offers_more_than_wanted_is_put_to_sleep(answer: str, words: str) -> None:
    async def main() -> None:
        def script(asked: str, sequence: str) -> list[str]:
            return [f"{answer if asked.startswith('SC') else '$OK 01 0 01 0200'} {sequence}"]

        port, link, _ = await linked(script)

        def saw(status: Status) -> None:
            drive.note(status)

        drive = Drive("/dev/x", Commands(link), saw)
        drive.level.offer(PilotSignal.PWM, 10)
        with pytest.raises(DeviceError, match=words):
            await drive.obey()
        assert "FE" not in port.sent
        assert ("FS" in port.sent) is (answer == "$OK 24")
        assert drive.level.target is (Target.ASLEEP if answer == "$OK 24" else Target.ENABLED)
        await link.close()

    run(main())
