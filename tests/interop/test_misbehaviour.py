"""A CSMS that answers garbage, never, late, twice, with the wrong id; that turns us away; that speaks no OCPP."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from tests.interop.bench import CARD, SPEED, Bench
from tests.interop.conftest import MakeBench

pytestmark = pytest.mark.npm

GARBAGE = [
    "",
    "   ",
    "hello",
    "{}",
    "[]",
    "[3]",
    "null",
    "[3,1,{}]",
    '[3,"$id"',
    '[9,"$id",{}]',
    '[3,"another id",{}]',
    '[4,"another id","InternalError","",{}]',
    '[2,"x"]',
    '[2,"x","Reset"]',
    '[2,"' + "y" * 100 + '","ClearCache",{}]',
    "[" * 2000,
    '["3","$id",{}]',
    '[4,"-1","RpcFrameworkError","",{}]',
]


def record_action(bench: Bench) -> str:
    return "MeterValues" if bench.version == "1.6" else "TransactionEvent"


def more_lines(bench: Bench, than: int) -> bool:
    return len(bench.csms.opened) > than


def turned_away_twice(bench: Bench, status: int) -> bool:
    return bench.csms.turned_away.count(status) >= 2


async def goes_on(bench: Bench, *, refused: int = 0, repeats: int = 0, forgive: bool = True) -> None:
    """A charge and every proof. forgive: what we answered to nonsense is nonsense to the CSMS's own book-keeping."""
    await bench.until(lambda: bench.app.client.online, "the registration")
    await bench.session()
    if forgive:
        bench.csms.mistakes[:] = [one for one in bench.csms.mistakes if one["event"] != "bad"]
    await bench.proven(refused=refused, repeats=repeats)


async def test_garbage_before_the_answer(bench: Bench) -> None:
    await bench.csms.rules({"action": "*", "do": "raw", "texts": GARBAGE, "then": True, "times": 3})
    await goes_on(bench)
    assert len(bench.csms.opened) == 1


async def test_garbage_out_of_the_blue(bench: Bench) -> None:
    for text in GARBAGE:
        await bench.csms.raw(text)
    await goes_on(bench)
    assert len(bench.csms.opened) == 1


async def test_answers_come_twice(bench: Bench) -> None:
    await bench.csms.rules({"action": "*", "do": "twice", "times": 100})
    await goes_on(bench)


async def test_answers_that_break_the_schema(bench: Bench) -> None:
    """A record that was answered is not sent again, however bad the answer."""
    texts = ['[3,"$id",{"status":7,"nonsense":{}}]']
    await bench.csms.rules({"action": record_action(bench), "do": "raw", "texts": texts, "times": 2})
    await bench.session()
    await bench.until(lambda: not bench.queued(), "an empty queue")
    heard = [str(call.payload) for call in bench.csms.heard(record_action(bench))]
    assert len(heard) == len(set(heard))


async def test_answers_that_are_no_objects(bench: Bench) -> None:
    rules = [
        {"action": record_action(bench), "do": "raw", "texts": [f'[3,"$id",{answer}]']}
        for answer in ("[]", '"x"', "null", "7")
    ]
    await bench.csms.rules(*rules)
    await bench.session(samples=5)
    await bench.until(lambda: bench.app.client.online and not bench.queued(), "an empty queue")
    assert len(bench.csms.opened) == 1


async def test_no_answer_at_all(make_bench: MakeBench, version: str) -> None:
    """E13, 1.6 TransactionMessageAttempts: again after the interval, a bounded number of times; then the next."""
    bench = await make_bench(
        version,
        **{
            "OCPPCommCtrlr__MessageTimeout[Default]": "1",
            "OCPPCommCtrlr__MessageAttempts[TransactionEvent]": "2",
            "OCPPCommCtrlr__MessageAttemptInterval[TransactionEvent]": "1",
            "SampledDataCtrlr__TxUpdatedInterval": "0",
        },
    )
    await bench.start()
    action = "StopTransaction" if version == "1.6" else "TransactionEvent"
    has: dict[str, Any] = {} if version == "1.6" else {"eventType": "Ended"}
    await bench.csms.rules({"action": action, "has": has, "do": "never"})
    await bench.session(samples=0)
    await bench.delivered()
    heard = bench.csms.heard(action, **has)
    assert len(heard) == 2
    assert heard[0].payload == heard[1].payload
    assert heard[0].id != heard[1].id
    assert bench.csms.mistakes == []


async def test_answers_that_come_too_late(make_bench: MakeBench, version: str) -> None:
    """The answer comes after MessageTimeout: it is ignored, and the line is not."""
    bench = await make_bench(version, **{"OCPPCommCtrlr__MessageTimeout[Default]": "1"})
    await bench.start()
    await bench.csms.rules({"action": "StatusNotification", "do": "delay", "ms": 1300})
    bench.plug()
    await bench.until(lambda: len(bench.csms.statuses(1)) >= 3, "the state once more")
    await bench.leave()
    await goes_on(bench, forgive=False)
    assert len(bench.csms.opened) == 1


async def test_permission_that_comes_too_late(bench: Bench) -> None:
    """Nobody waits at a socket for a minute: the card is asked for again, and then it charges."""
    await bench.csms.rules({"action": "Authorize", "do": "delay", "ms": 45_000 / SPEED})
    bench.plug()
    bench.swipe()
    await bench.until(lambda: bench.csms.heard("Authorize"), "the question")
    late = bench.csms.heard("Authorize")[0]
    await bench.until(lambda: late.answer is not None, "the late answer")
    await bench.passes(3)
    assert not bench.evse().authorized
    bench.swipe()
    await bench.charging()
    bench.swipe()
    await bench.leave()
    await bench.proven()


async def test_a_record_that_is_refused(make_bench: MakeBench, version: str) -> None:
    """Quirk 9: bounded attempts, then the next message."""
    bench = await make_bench(
        version,
        **{
            "OCPPCommCtrlr__MessageAttempts[TransactionEvent]": "3",
            "OCPPCommCtrlr__MessageAttemptInterval[TransactionEvent]": "1",
        },
    )
    await bench.start()
    rule: dict[str, Any] = {"action": "StopTransaction", "do": "error", "code": "InternalError", "times": 2}
    if version == "2.0.1":
        rule |= {"action": "TransactionEvent", "has": {"eventType": "Ended"}}
    await bench.csms.rules(rule)
    await goes_on(bench, refused=2)  # the third attempt is taken
    await bench.csms.rules(rule | {"times": 3})
    await bench.session()
    told = 6  # twice three attempts
    await bench.until(
        lambda: len(bench.csms.heard(rule["action"], **rule.get("has", {}))) == told and not bench.queued(),
        "the message to be given up",
    )
    await bench.csms.rules()
    ends = bench.csms.heard(rule["action"], **rule.get("has", {}))
    assert len(ends) == told
    assert ends[3].payload == ends[4].payload == ends[5].payload
    await bench.session()
    await bench.until(lambda: len(bench.csms.heard(rule["action"], **rule.get("has", {}))) == 7, "the next one")


async def test_a_start_that_is_refused_for_ever(make_bench: MakeBench) -> None:
    """1.6: without its start a transaction cannot be told; no message ever names an invented id (quirk 8)."""
    bench = await make_bench(
        "1.6",
        **{
            "OCPPCommCtrlr__MessageAttempts[TransactionEvent]": "2",
            "OCPPCommCtrlr__MessageAttemptInterval[TransactionEvent]": "1",
        },
    )
    await bench.start()
    await bench.csms.rules({"action": "StartTransaction", "do": "error", "times": 2})
    await bench.session()
    await bench.until(lambda: not bench.queued(), "an empty queue")
    assert len(bench.csms.heard("StartTransaction")) == 2
    assert bench.csms.heard("StopTransaction") == []
    assert not any("transactionId" in call.payload for call in bench.csms.calls)
    await bench.session()
    await bench.until(lambda: bench.csms.heard("StopTransaction"), "the next charge")
    assert bench.csms.mistakes == []


@pytest.mark.parametrize("action", ["Authorize", "StatusNotification", "BootNotification"])
async def test_other_messages_that_are_refused(make_bench: MakeBench, version: str, action: str) -> None:
    bench = await make_bench(version)
    await bench.csms.rules({"action": action, "do": "error", "code": "NotSupported"})
    await bench.start(online=False)
    await bench.until(lambda: bench.app.client.online, "the registration")
    bench.plug()
    bench.swipe()
    await bench.until(lambda: bench.csms.heard("Authorize"), "the question")
    if action == "Authorize":
        await bench.passes(5)
        assert not bench.evse().authorized
        bench.swipe()
    await bench.charging()
    bench.swipe()
    await bench.leave()
    await bench.proven(refused=1)


async def test_the_line_is_closed_with_any_code(bench: Bench) -> None:
    """Quirk 2: whatever the code, we come back, and are still accepted."""
    codes = [1000, 1001, 1002, 1003, 1008, 1011, 1012, 1013, 3000, 4001]
    for code in codes:
        lines = len(bench.csms.opened)
        await bench.csms.close_line(code)
        await bench.until(partial(more_lines, bench, lines), "a new line")
        await bench.until(lambda: bench.app.client.online, "the registration")
    assert [one["code"] for one in bench.csms.closed] == codes
    assert len(bench.csms.heard("BootNotification")) == 1
    await goes_on(bench, forgive=False)


async def test_the_upgrade_is_refused(make_bench: MakeBench, version: str) -> None:
    bench = await make_bench(version)
    for status in (401, 404, 500, 503):
        await bench.csms.policy(refuse=status)
        if not bench.boots:
            await bench.start(online=False)
        await bench.until(partial(turned_away_twice, bench, status), f"two attempts at {status}")
    assert bench.csms.calls == []
    await bench.csms.policy(refuse=None)
    await goes_on(bench)


async def test_no_subprotocol_is_agreed(make_bench: MakeBench, version: str) -> None:
    """Quirk 1: we hang up and try again; not a word is sent."""
    bench = await make_bench(version)
    await bench.csms.policy(subprotocol=False)
    await bench.start(online=False)
    await bench.until(lambda: len(bench.csms.closed) >= 3, "three attempts")
    assert bench.csms.calls == []
    assert {one["code"] for one in bench.csms.closed} == {1002}
    assert {tuple(one["offered"]) for one in bench.csms.opened} == {(f"ocpp{version}",)}
    await bench.csms.policy(subprotocol=True)
    await bench.until(lambda: bench.app.client.online, "the registration")
    await goes_on(bench)


async def test_only_the_other_version_is_spoken(make_bench: MakeBench) -> None:
    """Both are offered, best first; what the CSMS chooses is spoken."""
    bench = await make_bench("2.0.1", "1.6")
    await bench.csms.policy(protocols=["ocpp1.6"])
    await bench.start()
    assert [tuple(one["offered"]) for one in bench.csms.opened] == [("ocpp2.0.1", "ocpp1.6")]
    assert bench.app.client.version == "1.6"
    await goes_on(bench)


async def test_the_password(make_bench: MakeBench, version: str) -> None:
    """Basic auth, and A01.FR.03: a new password is used from the next line on, which comes at once."""
    bench = await make_bench(version)
    bench.reconfigure(password="first-password-16")
    await bench.csms.policy(password="not-that-one-1234")
    await bench.start(online=False)
    await bench.until(lambda: bench.csms.turned_away.count(401) >= 2, "two attempts")
    await bench.csms.policy(password="first-password-16")
    await bench.until(lambda: bench.app.client.online, "the registration")
    await bench.csms.policy(password="second-password-x")
    if version == "1.6":
        key = {"key": "AuthorizationKey", "value": "second-password-x"}
        outcome = await bench.csms.call("ChangeConfiguration", key)
        assert outcome.status == "Accepted"
    else:
        entry = {
            "component": {"name": "SecurityCtrlr"},
            "variable": {"name": "BasicAuthPassword"},
            "attributeValue": "second-password-x",
        }
        outcome = await bench.csms.call("SetVariables", {"setVariableData": [entry]})
        assert outcome.result["setVariableResult"][0]["attributeStatus"] == "Accepted"
    lines = len(bench.csms.opened)
    await bench.until(lambda: len(bench.csms.opened) > lines or lines > 1, "a new line")
    await bench.until(lambda: bench.app.client.online, "the registration")
    assert "second-password-x" not in str(bench.frames)
    await goes_on(bench, repeats=1)
    assert bench.csms.heard("Authorize")[-1].answer is not None
    assert CARD in str(bench.csms.calls)
