"""The progress of a run. On a terminal it is one line, which is rewritten at most five times a second and erased at
the end; elsewhere, a line when a scenario starts and one when it ends."""

import os
import time

from units import number, plain, present, size

INTERVAL = 0.2


class Progress:
    """`stream` is a text stream, or None for no output; `total_seconds_hint` is the expected time of all scenarios
    together, or None."""

    def __init__(self, stream, total_seconds_hint=None):
        self._stream, self._hint = stream, total_seconds_hint
        self._live = stream is not None and stream.isatty()
        self._start = time.monotonic()
        self._drawn_at, self._drawn_width = float("-inf"), 0
        self._name, self._sample = None, {}

    def update(self, scenario_name, sample, note=""):
        """`sample` is an entry of the scenario's series. If its time is less than before, the scenario runs again."""
        starts = scenario_name != self._name or sample.get("t", 0) < self._sample.get("t", 0)
        if starts:
            self._end_scenario()
            if not self._live:
                self._write(f"{plain(scenario_name)}: started\n")
        self._name, self._sample = scenario_name, sample
        now = time.monotonic()
        if self._live and (starts or now - self._drawn_at >= INTERVAL):
            self._drawn_at = now
            self._draw(now, note)

    def finish(self):
        """Ends the scenario that ran, if any, and leaves the terminal's line empty. May be called again."""
        self._end_scenario()

    def _end_scenario(self):
        if self._live:
            self._erase()
        elif self._name is not None:
            self._write(f"{plain(self._name)}: ended after {self._elapsed()}, {', '.join(_counts(self._sample))}\n")
        self._name, self._sample = None, {}

    def _draw(self, now, note):
        parts = [f"{plain(self._name)} {self._elapsed()}"]
        if present(self._hint):
            parts[0] += f" [{now - self._start:.0f}/{self._hint:.0f} s]"
        parts += _counts(self._sample)
        if present(self._sample.get("cpu")) is not None:
            parts.append(f"{number(self._sample['cpu'])} CPU")
        if present(self._sample.get("pss")) is not None:
            parts.append(size(self._sample["pss"]))
        line = "  ".join([*parts, plain(note)] if note else parts)
        # The last column stays free: writing to it wraps some terminals. Blanks, not an escape: TERM may be dumb.
        room = self._columns() - 1
        line = line[:room]
        self._write("\r" + line.ljust(min(self._drawn_width, room)))
        self._drawn_width = len(line)

    def _erase(self):
        if self._drawn_width:
            self._write("\r" + " " * min(self._drawn_width, self._columns() - 1) + "\r")
            self._drawn_width = 0

    def _elapsed(self):
        return f"{present(self._sample.get('t')) or 0:.0f} s"

    def _columns(self):
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or 80
        except (OSError, ValueError, AttributeError):
            return 80

    def _write(self, text):
        if self._stream is not None:
            self._stream.write(text)
            self._stream.flush()


def _counts(sample):
    errors = sample.get("errors")
    return [f"{number(sample.get('open'))} open", f"{number(sample.get('held'))} held",
            f"{number(sample.get('answered'))} answered", f"{number(errors) if errors else 'no'} errors"]
