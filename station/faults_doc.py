"""The page about faults, made from the tables that the station obeys.

`python -m station.faults_doc` prints what docs/faults.md holds.
"""

from __future__ import annotations

from collections.abc import Iterator

from hal.api import FaultCode
from station.core.faults import POLICY, Policy, mrec_code
from station.core.problems import part_of
from station.ocpp.v16.status import ERROR_CODES

__all__ = ["document"]

_HEAD = """\
# Faults

What can break, what the station does about it at once, who is told, and how it ends. Generated from the tables that the station
obeys: `python -m station.faults_doc`.

A fault comes from the board's driver, or the station sees it by itself: a contactor that stays closed, a vehicle that draws too
much, a meter or a lock that does not answer, a failed [self-test](#the-self-test-of-the-residual-current-device). It concerns
one EVSE, or (EVSE 0) the station as a whole; then everything below applies to every EVSE in the same moment.

## What each one does

"power off": the permission to close the contactor is withdrawn in the same instant, whatever the vehicle does; a vehicle that
still asks for energy is told by state F on the pilot; without a vehicle the pilot stays at F until the fault has ended (not for
faults of the pilot itself). The lamp shows `Fault`, and the connector is `Faulted` in every OCPP version. Where power flows on,
the lamp and the connector stay as they were.
"""

_RECOVERY = """\
## How it ends

| Recovery | Means |
|---|---|
| by itself | As soon as whoever reported it says that it is gone. Charging that was interrupted goes on 30 s after that (at once where the power path was not concerned: lock, meter, board), in the same transaction unless that has ended. |
| unplug | The cause is gone, and the vehicle has been unplugged since. |
| person | Somebody has looked at it: `station ctl reset_fault 1`. It outlives a restart. Refused while the hardware reports that it is still there. |

A transaction that has ended does not begin again by itself: somebody starts a new one. That goes for the emergency stop too: pulling the
button out allows a new session and starts none.
"""  # noqa: E501 - rows of a table

_TOLD = """\
## Who is told

- OCPP 1.6: `StatusNotification` with the `errorCode` of the table, `vendorErrorCode` (the name of the fault) and `info` (the
  words of the board). `EVCommunicationError` is not legal together with `Faulted`; then it is `OtherError`.
- OCPP 2.0.1: `StatusNotification` (`Faulted`), and `NotifyEvent` when a fault begins and when it ends (N07, G05): component and
  variable `Problem` of the table, `techCode` the number of the [ChargeX](https://inl.gov/chargex/mrec/) list or the name,
  `techInfo` name and words, `transactionId` of the transaction that was running, `cleared` at the end. `actualValue` is that of
  the variable: it stays `true` while another fault of the same component stands. They are hard-wired notifications, which no
  monitor and no monitoring level of the CSMS keeps back. They are kept like transaction events: nothing is lost, also when a
  fault ends while the station is off. What happens offline is told later up to the severity in
  `MonitoringCtrlr.OfflineQueuingSeverity` (6 unless it is set: all of the table).
- `GetVariables` of any `Problem` says how things are now; that of an EVSE or of ChargingStation is true while any of its parts
  has one.
- `station ctl state`, the panel and the event `record` of [control](control.md) have the names.
"""

_RCD = """\
## The self-test of the residual-current device

Boards whose residual-current device (RCD, RDC-DD, RCM) can test itself are asked to do so with no vehicle connected and the
contactor open: at start, after every session, and every 24 h, or as soon as the vehicle has left. Until it has passed nobody
charges; a vehicle that plugs in meanwhile waits some seconds (`info`: "the RCD is being tested"). A test passed after the last
session counts for 24 h, also through a restart, so that a vehicle that stayed connected through a power cut goes on charging;
one that is connected at the first start must be unplugged once.

A device that does not trip, or does not answer within 30 s, is a `GroundFailure` with recovery "person": `reset_fault` runs the
test again as soon as no vehicle is connected, and the fault ends when it passes. When the bus fails the test is repeated after
5 s, 10 s and so on up to 5 min; the third time in a row is reported as `InternalError`, unless the loss of the board is known
already.

The simulated board has such a device with `rcd_test = true`; `break_rcd` makes it fail.
"""


def document() -> str:
    """The whole page."""
    return "\n".join((_HEAD, *_table(), "", _RECOVERY, _TOLD, _RCD.rstrip("\n"), ""))


def _table() -> Iterator[str]:
    yield "| Fault | Means | Power | Transaction | Recovery | Lamp | 1.6 errorCode | 2.x component | techCode | Severity |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for code in FaultCode:
        policy = POLICY[code]
        cells = (
            f"`{code.value}`",
            policy.means,
            "off" if policy.stops_energy else "stays on",
            _transaction(policy),
            policy.recovery.value,
            "Fault" if policy.stops_energy else "as before",
            f"`{ERROR_CODES[code]}`",
            f"`{part_of(code, 1).name}`",
            f"`{mrec_code(code)}`",
            str(policy.severity),
        )
        yield "| " + " | ".join(cells) + " |"


def _transaction(policy: Policy) -> str:
    if policy.ends is not None:
        return f"ends: `{policy.ends.value}`"
    return "suspended" if policy.stops_energy else "goes on"


if __name__ == "__main__":
    print(document(), end="")
