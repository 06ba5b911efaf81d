"""Virtual and scaled time."""

from __future__ import annotations

import asyncio
import random
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from station.sim.loop import DEFAULT_WALL, ScaledScheduler, Scheduler, StuckError, VirtualLoop, run, sleep


def here() -> VirtualLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop


def slow() -> bool:
    time.sleep(0.03)
    return True


def test_ten_hours_pass_in_no_time() -> None:
    async def main() -> tuple[int, float, float]:
        ticks = 0
        while here().time() < 36_000:
            await asyncio.sleep(10)
            ticks += 1
        return ticks, here().time(), here().wall()

    began = time.monotonic()
    assert run(main()) == (3600, 36_000.0, DEFAULT_WALL + 36_000)
    assert time.monotonic() - began < 3


def test_time_stands_still_while_callbacks_run() -> None:
    async def main() -> float:
        for _ in range(100):
            await asyncio.sleep(0)
        return here().time()

    assert run(main()) == 0.0


def test_timers_fire_at_their_own_time_never_before() -> None:
    async def main() -> list[float]:
        late: list[float] = []
        rng = random.Random(7)

        def check(when: float) -> None:
            late.append(here().time() - when)

        for _ in range(500):
            when = rng.uniform(0, 1e5)
            here().call_at(when, check, when)
        await asyncio.sleep(2e5)
        return late

    late = run(main())
    assert len(late) == 500
    assert min(late) >= -1e-6
    assert max(late) < 1e-6


def test_no_spinning_at_times_where_floats_are_coarse() -> None:
    async def main() -> float:
        await asyncio.sleep(3e8)
        for _ in range(1000):
            await asyncio.sleep(0.1)
        return here().time()

    assert run(main()) == pytest.approx(3e8 + 100, abs=1e-3)


def test_same_program_same_order() -> None:
    async def main() -> list[tuple[float, int]]:
        rng = random.Random(3)
        seen: list[tuple[float, int]] = []

        async def walker(number: int) -> None:
            for _ in range(20):
                await asyncio.sleep(rng.choice([0.5, 1.0, 1.5]))
                seen.append((here().time(), number))

        await asyncio.gather(*(walker(n) for n in range(10)))
        return seen

    assert run(main()) == run(main())


def test_an_executor_job_takes_no_virtual_time() -> None:
    async def main() -> tuple[float, float]:
        other = asyncio.ensure_future(asyncio.sleep(1000))
        await asyncio.to_thread(time.sleep, 0.02)
        during = here().time()
        with ThreadPoolExecutor(1) as own:
            await here().run_in_executor(own, slow)
        await other
        return during, here().time()

    assert run(main()) == (0.0, 1000.0)


def test_at_a_given_speed_an_executor_job_lets_time_pass() -> None:
    """A file server that does not answer must not stop the simulation that somebody looks at."""

    async def main() -> float:
        over = threading.Event()
        job = here().run_in_executor(None, over.wait, 10)
        await asyncio.sleep(5.0)
        over.set()
        await job
        return here().time()

    assert 5.0 <= run(main(), speed=100.0) < 100.0


def test_a_failing_executor_job_lets_time_go_on() -> None:
    async def main() -> float:
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 // 0)
        await asyncio.sleep(5)
        return here().time()

    assert run(main()) == 5.0


def test_time_stands_still_until_the_thread_of_a_cancelled_job_has_ended() -> None:
    """Cancelling does not stop a thread: what it still does must not happen at a later time."""

    async def main() -> list[str]:
        begun = threading.Event()
        seen: list[str] = []

        def work() -> None:
            begun.set()
            slow()
            seen.append("thread")

        job = here().run_in_executor(None, work)
        begun.wait(10)
        job.cancel()
        await asyncio.sleep(1000)
        seen.append("later")
        return seen

    assert run(main()) == ["thread", "later"]


def test_a_job_that_is_cancelled_before_a_thread_is_free_lets_time_go_on() -> None:
    async def main() -> float:
        over = threading.Event()
        with ThreadPoolExecutor(1) as own:
            first = here().run_in_executor(own, over.wait, 10)
            second = here().run_in_executor(own, slow)
            second.cancel()
            over.set()
            await first
            await asyncio.sleep(5)
        return here().time()

    assert run(main()) == 5.0


def test_a_thread_that_outlives_the_loop() -> None:
    over = threading.Event()
    with ThreadPoolExecutor(1) as own:

        async def main() -> None:
            here().run_in_executor(own, over.wait, 10)

        run(main())
        over.set()


def test_hold_waits_for_a_foreign_thread() -> None:
    async def main() -> float:
        done = asyncio.Event()
        loop = here()
        thread = threading.Thread(target=lambda: (slow(), loop.call_soon_threadsafe(done.set)))
        with here().hold():
            thread.start()
            await asyncio.wait_for(done.wait(), 10)
        thread.join()
        return here().time()

    assert run(main()) == 0.0


def test_hold_gives_way_after_its_limit() -> None:
    async def main() -> float:
        with here().hold(limit_s=0.02), pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 60)
        return here().time()

    assert run(main()) == 60.0


def test_stuck_time_is_an_error_not_a_hang() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(StuckError, match="stuck at 0"):
        run(main(), patience_s=0.01)


def test_real_sockets_work_beside_virtual_time() -> None:
    async def main() -> tuple[bytes, float]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write((await reader.readline()).upper())
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"hello\n")
        answer = await asyncio.wait_for(reader.readline(), 5)
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()
        return answer, here().time()

    assert run(main()) == (b"HELLO\n", 0.0)


def test_a_watched_socket_may_be_waited_for_without_timers() -> None:
    async def main() -> bytes:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            thread = threading.Thread(target=lambda: (slow(), theirs.send(b"x")))
            thread.start()
            got = await here().sock_recv(ours, 1)
            thread.join()
            return got

    assert run(main(), patience_s=0.001) == b"x"


def test_paced_loop_takes_its_real_time() -> None:
    async def main() -> float:
        await asyncio.sleep(4)
        here().set_speed(None)
        await asyncio.sleep(1000)
        return here().time()

    began = time.monotonic()
    assert run(main(), speed=100) == 1004.0
    assert 0.035 < time.monotonic() - began < 2


def test_paused_loop_reacts_to_threads_only() -> None:
    async def main() -> float:
        loop = here()
        waiting = asyncio.ensure_future(asyncio.sleep(100))
        thread = threading.Thread(target=lambda: (slow(), loop.call_soon_threadsafe(loop.set_speed, None)))
        thread.start()
        await waiting
        thread.join()
        return loop.time()

    assert run(main(), speed=0) == 100.0


@pytest.mark.parametrize("speed", [-1.0, float("inf"), float("nan")])
def test_impossible_speeds_are_refused(speed: float) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="speed"):
            here().set_speed(speed)
        with pytest.raises(ValueError, match="speed"):
            ScaledScheduler(here(), speed)

    run(main())


def test_clock_follows_the_loop() -> None:
    async def main() -> None:
        clock = here().clock(boot=3, trusted=False)
        await asyncio.sleep(60)
        now = clock.now()
        assert (now.mono, now.wall, now.boot, now.trusted) == (60.0, 1060.0, 3, False)
        clock.set_wall(5000.0)
        await asyncio.sleep(1)
        assert clock.now().wall == 5001.0

    run(main(), start_wall=1000.0)


# --- scaled -----------------------------------------------------------------------------------------------------------


def test_scaled_scheduler_runs_n_times_as_fast() -> None:
    async def main() -> list[tuple[float, float]]:
        scaled = ScaledScheduler(here(), 60.0)
        seen: list[tuple[float, float]] = []
        for delay in (90.0, 60.0, 0.0):
            scaled.call_later(delay, lambda: seen.append((here().time(), scaled.time())))
        await sleep(scaled, 120.0)
        return seen

    assert run(main()) == [(0.0, 0.0), (1.0, 60.0), (1.5, 90.0)]


def test_scaled_time_can_change_speed_and_pause() -> None:
    async def main() -> list[tuple[float, float]]:
        scaled = ScaledScheduler(here(), 1.0)
        seen: list[tuple[float, float]] = []
        scaled.call_at(100.0, lambda: seen.append((here().time(), scaled.time())))
        await asyncio.sleep(10)
        scaled.set_speed(10.0)
        await asyncio.sleep(1)
        assert scaled.time() == pytest.approx(20.0)
        scaled.pause()
        assert scaled.paused
        await asyncio.sleep(1000)
        assert scaled.time() == pytest.approx(20.0)
        scaled.resume()
        assert scaled.speed == 10.0
        await asyncio.sleep(100)
        return seen

    ((real, virtual),) = run(main())
    assert real == pytest.approx(10 + 1 + 1000 + 8)
    assert virtual == pytest.approx(100.0)


def test_scaled_timers_never_fire_early_and_stay_in_order() -> None:
    async def main() -> list[float]:
        rng = random.Random(11)
        scaled = ScaledScheduler(here(), 7.3)
        fired: list[float] = []

        def check(when: float) -> None:
            assert scaled.time() >= when
            fired.append(when)

        for _ in range(300):
            when = rng.uniform(0, 1000)
            scaled.call_at(when, check, when)
        await sleep(scaled, 1001)
        return fired

    fired = run(main())
    assert len(fired) == 300
    assert fired == sorted(fired)


def test_cancelled_scaled_timers_do_not_fire() -> None:
    async def main() -> list[str]:
        seen: list[str] = []
        scaled = ScaledScheduler(here(), 2.0)
        first = scaled.call_later(10, seen.append, "first")
        scaled.call_later(20, seen.append, "second")
        due = scaled.call_later(30, seen.append, "third")
        scaled.call_later(30, seen.append, "fourth")
        first.cancel()
        scaled.call_at(29.999_999_999, due.cancel)
        await sleep(scaled, 100)
        return seen

    assert run(main()) == ["second", "fourth"]


def test_one_protocol_for_every_clockwork() -> None:
    async def main() -> list[float]:
        async def measure(scheduler: Scheduler) -> float:
            began = scheduler.time()
            await sleep(scheduler, 30)
            return scheduler.time() - began

        return [await measure(here()), await measure(ScaledScheduler(here(), 3.0))]

    assert run(main()) == [30.0, 30.0]


async def test_scaled_scheduler_over_a_plain_loop() -> None:
    scaled = ScaledScheduler(asyncio.get_running_loop(), 1000.0)
    clock = scaled.clock(start_wall=50.0)
    before = clock.now()
    await sleep(scaled, 10)
    after = clock.now()
    assert after.mono - before.mono >= 10
    assert after.wall - before.wall == pytest.approx(after.mono - before.mono, abs=2.0)
    assert after.wall >= 60.0


def test_quiet_is_when_all_that_can_happen_now_has_happened() -> None:
    """Chains of callbacks and threads are waited for, timers are not."""
    done: list[str] = []

    async def main() -> float:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.call_later(5, done.append, "later")

        async def chain() -> None:
            for _ in range(50):
                await asyncio.sleep(0)
            await loop.run_in_executor(None, done.append, "thread")
            done.append("chain")

        task = loop.create_task(chain())
        with loop.hold():
            await loop.quiet()
            assert done == ["thread", "chain"]
        await loop.quiet()
        await task
        assert done == ["thread", "chain"]
        return loop.time()

    assert run(main()) == 0
