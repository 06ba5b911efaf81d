"""Simulated hardware in this process: what hal.api promises, with honest physics and without a clock of its own.

board.py (what a host sees, and what people do), evse.py, contactor.py, lock.py, meter.py; grid.py; car.py, battery.py;
pilot.py (the circuits between both); world.py (injected time). Energy is integrated in closed form whenever somebody
looks or something changes; wake-ups exist only for real events, so that a ten-hour charge costs next to nothing.
"""
