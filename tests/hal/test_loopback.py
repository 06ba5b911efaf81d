"""hal.bus.loopback: a faithful wire, and every way to spoil it."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.bus import ByteStream
from hal.bus.loopback import Manipulator, loopback
from hal.errors import BusError, ConfigError


async def drain(stream: ByteStream, limit: int = 7) -> bytes:
    received = bytearray()
    while chunk := await stream.read(limit):
        assert len(chunk) <= limit
        received += chunk
    return bytes(received)


@given(st.lists(st.binary(max_size=50), max_size=20), st.integers(1, 60), st.booleans())
def test_without_manipulation_every_byte_arrives_in_order(bench, chunks, limit, through_manipulator):
    spoiler = Manipulator(random.Random(1)) if through_manipulator else None
    a, b = loopback(spoiler, spoiler)
    for chunk in chunks:
        a.write(chunk)
    a.close()
    assert bench.finish(drain(b, limit)) == b"".join(chunks)


def test_both_directions_are_independent(bench):
    a, b = loopback()
    a.write(b"ping")
    b.write(b"pong")
    assert bench.finish(a.read(10)) == b"pong"
    assert bench.finish(b.read(10)) == b"ping"


@given(st.lists(st.binary(min_size=1, max_size=10), min_size=1, max_size=10), st.integers(0, 1000))
def test_delays_keep_the_order(bench, heap, chunks, seed):
    clock = heap()
    a, b = loopback(Manipulator(random.Random(seed), delay_s=(0.0, 2.0)), scheduler=clock)
    for chunk in chunks:
        a.write(chunk)
    a.close()
    clock.run(2.0 * len(chunks))
    assert bench.finish(drain(b)) == b"".join(chunks)


def test_a_delay_is_waited_for(bench, heap):
    clock = heap()
    a, b = loopback(Manipulator(random.Random(1), delay_s=(1.0, 1.0)), scheduler=clock)
    a.write(b"x")
    clock.run(0.9)
    with pytest.raises(RuntimeError):  # it would have to wait, and there is no loop here
        bench.finish(b.read(1))
    clock.run(0.2)
    assert bench.finish(b.read(1)) == b"x"


def received(bench, data: bytes, **chances: float) -> bytes:
    a, b = loopback(Manipulator(random.Random(3), **chances))
    a.write(data)
    a.close()
    return bench.finish(drain(b))


@given(st.binary(min_size=1, max_size=40))
def test_spoiling(bench, data):
    assert received(bench, data, drop=1.0) == b""
    assert received(bench, data, duplicate=1.0) == data * 2
    cut = received(bench, data, truncate=1.0)
    assert len(cut) < len(data)
    assert data.startswith(cut)
    flipped = received(bench, data, flip=1.0)
    assert len(flipped) == len(data)
    assert sum((x ^ y).bit_count() for x, y in zip(data, flipped, strict=True)) == 1
    assert received(bench, data, truncate=1.0, flip=1.0, duplicate=1.0) != data


def test_spoiling_repeats_with_its_seed_and_can_be_switched(bench):
    def play(seed: int) -> bytes:
        spoiler = Manipulator(random.Random(seed), drop=0.3, flip=0.3)
        a, b = loopback(spoiler)
        for index in range(50):
            spoiler.duplicate = 0.5 if index > 25 else 0.0
            a.write(bytes([index]))
        a.close()
        return bench.finish(drain(b))

    assert play(1) == play(1) != play(2)


def test_hanging_up_breaks_both_ends(bench):
    a, b = loopback(Manipulator(random.Random(1), hang_up_after=2))
    for chunk in (b"1", b"2", b"3"):
        a.write(chunk)
    assert bench.finish(b.read(10)) == b"12"
    for end in (a, b):
        with pytest.raises(BusError, match="gone"):
            end.write(b"x")
        with pytest.raises(BusError, match="gone"):
            bench.finish(end.read(1))
        end.close()


def test_hanging_up_loses_what_is_under_way(bench, heap):
    clock = heap()
    a, b = loopback(Manipulator(random.Random(1), delay_s=(1.0, 1.0)), scheduler=clock)
    a.write(b"late")
    a.hang_up()
    clock.run(5.0)
    with pytest.raises(BusError, match="gone"):
        bench.finish(b.read(1))


def test_closing(bench):
    a, b = loopback()
    a.write(b"last")
    a.close()
    a.close()
    for call in (lambda: a.write(b"x"), lambda: bench.finish(a.read(1))):
        with pytest.raises(BusError, match="closed"):
            call()
    assert bench.finish(drain(b)) == b"last"
    b.write(b"into the void")


@pytest.mark.parametrize("wrong", [{"drop": 1.5}, {"flip": -0.1}, {"delay_s": (2.0, 1.0)}])
def test_impossible_chances(wrong):
    with pytest.raises(ConfigError, match=rf"manipulator\.{next(iter(wrong))}"):
        Manipulator(random.Random(1), **wrong)


async def test_readers_wait_on_the_loop():
    a, b = loopback(Manipulator(random.Random(1), delay_s=(0.001, 0.001)))
    reading = asyncio.ensure_future(b.read(10))
    await asyncio.sleep(0)
    with pytest.raises(BusError, match="another task"):
        await b.read(10)
    a.write(b"now")
    assert await reading == b"now"
    waiting = asyncio.ensure_future(b.read(10))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    last = asyncio.ensure_future(b.read(10))
    await asyncio.sleep(0)
    a.hang_up()
    with pytest.raises(BusError, match="gone"):
        await last
