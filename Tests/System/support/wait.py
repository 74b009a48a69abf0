"""Waiting for a condition of the outside world that raises no event. The deadline is a safety net, not an assertion."""

import time


def until(condition, what, timeout=30.0, interval=0.02):
    """Polls until `condition()` is truthy and returns its value."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"gave up waiting until {what() if callable(what) else what}")
        time.sleep(interval)
    return value
