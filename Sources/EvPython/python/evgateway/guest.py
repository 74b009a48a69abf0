"""Drives the worker's loop as the guest of another one. Each worker class names its driver before it serves."""

driver = None


def run():
    """Runs the driver's loop until the worker ends."""
    driver()
