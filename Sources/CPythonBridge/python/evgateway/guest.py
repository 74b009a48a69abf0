"""Runs the event loop that drives the worker's. A worker class sets driver before it serves."""

driver = None


def run():
    """Runs the driver's loop until the worker ends."""
    driver()
