"""The framing of the emulated devices: whole requests, whatever surrounds them and however they arrive."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hal.bus.modbus_rtu import Function, Request
from hal.emulators.modbus_frames import STALE_S, Frames, checksum

READ = Request(1, Function.READ_INPUT, 0x0034, 2).encode()


@given(cuts=st.lists(st.integers(0, 8), max_size=4), noise=st.binary(max_size=20))
def test_a_request_is_found_wherever_it_is_cut_and_after_noise_that_has_gone_stale(
    cuts: list[int], noise: bytes
) -> None:
    frames = Frames()
    heard = list(frames.feed(noise, 0.0))
    for start, end in zip((0, *sorted(cuts)), (*sorted(cuts), 8), strict=True):
        heard += frames.feed(READ[start:end], 2 * STALE_S)
    assert heard[-1] == READ
    assert all(checksum(frame[:-2]) == frame[-2:] for frame in heard)


def test_what_is_forgotten_or_stands_still_is_no_request() -> None:
    frames = Frames()
    assert list(frames.feed(READ[:5], 0.0)) == []
    frames.forget()
    assert list(frames.feed(READ[5:], 0.0)) == []
    assert list(frames.feed(READ, 1.0)) == [READ]


def test_answers_have_their_checksum_and_as_many_wrong_ones_as_ordered() -> None:
    frames = Frames()
    frames.wrong_checksum = 1
    assert frames.seal(READ[:-2]) != READ
    assert frames.seal(READ[:-2]) == READ
