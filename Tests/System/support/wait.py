"""Waits for a condition for which there is no event. The deadline only keeps a failing test from hanging."""

import time


def until(condition, what, timeout=30.0, interval=0.02):
    """Polls until `condition()` is truthy and returns its value."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"gave up waiting until {what() if callable(what) else what}")
        time.sleep(interval)
    return value
