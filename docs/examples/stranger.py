"""A stranger's rig: ten charging sessions over JSON lines, and what must be true afterwards. Needs nothing but Python:
`python docs/examples/stranger.py [arguments of station sim]`; exit code 0: all of it was true, 1: it says what was not."""

import json
import sys
from subprocess import PIPE, Popen

CARS = [{"max_a": 16}, {"max_a": 32, "phases": 1}, {"max_a": 10, "soc_percent": 50}]
ENDINGS = {  # the reason that the CSMS must hear, and what ends the session
    "Local": lambda evse, _: do("swipe", evse=evse),
    "EVDisconnected": lambda evse, _: do("unplug", evse=evse, at_car=True),
    "Remote": lambda _, transaction: do("stop_transaction", transaction=transaction),
    "GroundFault": lambda evse, _: [do(name, evse=evse, code="GroundFailure") for name in ("fault", "clear")],
    "PowerLoss": lambda evse, _: [do("power_cut"), do("unplug", evse=evse, at_car=True), do("power_on")],
}
command = [sys.executable, "-m", "station", "sim", "--stdio", "--seed", "7", *sys.argv[1:]]
program = Popen(command, stdin=PIPE, stdout=PIPE, text=True)
wrong = []


def do(name, **arguments):
    print(json.dumps({"do": name, "with": arguments}), file=program.stdin, flush=True)
    answer = json.loads(program.stdout.readline() or '{"ok": false, "error": "it has hung up"}')
    return answer["result"] if answer["ok"] else sys.exit(f"{name} {arguments}: {answer['error']}")


def expect(what, found, good):
    wrong.extend([] if good else [f"{what}: {found}"])


def session(number, reason):
    evse, goal_wh = 1 + number % 2, 1000 + 100 * number
    do("plug", evse=evse, cable_a=20 if number % 3 else 32, car=CARS[number % 3])
    before = do("state")["evses"][evse - 1]
    do("swipe", evse=evse)
    do("charge", evse=evse, until_wh=goal_wh)
    charging = do("state")["evses"][evse - 1]
    expect(f"session {number}: pilot while charging", charging["pilot"], charging["pilot"] == "C")
    ENDINGS[reason](evse, charging["transaction"]["id"])
    do("wait", duration="2 min")
    do("unplug", evse=evse)
    told, after = do("transaction", id=charging["transaction"]["id"]), do("state")["evses"][evse - 1]
    wh = after["reading"]["energy_import_wh"] - before["reading"]["energy_import_wh"]
    expect(f"session {number}: stop reason for {reason}", told["stop_reason"], told["stop_reason"] == reason)
    expect(f"session {number}: {wh:.0f} Wh passed, told", told["energy_wh"], abs(told["energy_wh"] - wh) < 1)
    expect(f"session {number}: {goal_wh} Wh wanted", wh, goal_wh <= wh < goal_wh + 250)
    expect(f"session {number}: delivered", told["delivered"], told["delivered"] == told["events"] > 2)
    return wh


total_wh = sum(session(number, list(ENDINGS)[number % 5]) for number in range(10))
state, frames = do("state")["station"], do("frames", limit=1000)["frames"]
transactions, dead = do("transactions", limit=100)["transactions"], do("dead_letters")["dead_letters"]
expect("transactions", len(transactions), len(transactions) == 10)
expect("waiting records and dead letters", (state["queue"], dead), (state["queue"], dead) == (0, []))
expect("frames that are not valid", frames, frames and all(frame["verdict"] == "ok" for frame in frames))
program.communicate()
expect("exit code", program.returncode, program.returncode == 0)
print("\n".join(wrong) or f"10 sessions, {total_wh / 1000:.2f} kWh, {len(frames)} frames: all as it should be")
sys.exit(bool(wrong))
