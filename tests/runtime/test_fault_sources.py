"""A fault that several report begins with the first of them and ends with the last."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hal.api import Fault, FaultCode
from station.runtime.fault_sources import FaultSources

LOST = FaultCode.INTERNAL_ERROR


def test_whoever_ends_first_does_not_end_it_for_the_other() -> None:
    heard: list[Fault] = []
    sources = FaultSources(heard.append)
    sources.report("driver", Fault(1, LOST, True, "unplugged"))
    sources.report("outputs", Fault(1, LOST, True, "does not obey"))
    assert [fault.info for fault in heard] == ["unplugged", "does not obey"]
    sources.report("driver", Fault(1, LOST, False))
    assert len(heard) == 2, "the board does not obey yet"
    sources.report("outputs", Fault(1, LOST, False))
    assert heard[2:] == [Fault(1, LOST, False)]


def test_a_driver_that_is_started_anew_has_forgotten_what_it_said() -> None:
    heard: list[Fault] = []
    sources = FaultSources(heard.append)
    sources.report("driver", Fault(1, LOST, True, "it crashed"))
    sources.report("driver", Fault(1, FaultCode.GROUND_FAILURE, True))
    sources.begin_anew("driver")
    sources.report("driver", Fault(1, FaultCode.GROUND_FAILURE, True, "still"))
    heard.clear()
    sources.settle("driver")
    assert heard == [Fault(1, LOST, False)]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from((1, 2)), st.booleans()), max_size=40))
def test_it_stands_as_long_as_anybody_says_so(reports: list[tuple[str, int, bool]]) -> None:
    shown: dict[int, bool] = {}
    sources = FaultSources(lambda fault: shown.update({fault.evse: fault.active}))
    standing: set[tuple[str, int]] = set()
    for source, evse, active in reports:
        (standing.add if active else standing.discard)((source, evse))
        sources.report(source, Fault(evse, LOST, active))
        assert shown[evse] is any(number == evse for _, number in standing)
