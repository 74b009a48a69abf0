"""Latencies in microseconds as an HdrHistogram: 1 us to an hour, three digits; sent between processes as bytes."""

from hdrh.histogram import HdrHistogram

LOWEST, HIGHEST, DIGITS = 1, 3_600_000_000, 3
PERCENTILES = ("50", "75", "90", "95", "99", "99.9", "99.99", "100")


class Histogram:
    def __init__(self, encoded=None):
        self._values = HdrHistogram(LOWEST, HIGHEST, DIGITS)
        self._record = self._values.record_value
        if encoded:
            self.merge(encoded)

    def record(self, us, count=1):
        self._record(_bounded(us), count)

    def encode(self):
        return self._values.encode()

    def merge(self, encoded):
        self._values.decode_and_add(encoded)

    @property
    def count(self):
        return self._values.get_total_count()

    def percentile(self, percentile):
        """Returns the latency at a percentile, in microseconds."""
        return self._values.get_value_at_percentile(percentile)

    def to_result(self, corrected):
        """Returns the dict for a result; None if nothing was recorded."""
        if not self.count:
            return None
        return {
            "unit": "us", "count": self.count, "corrected": corrected,
            "mean": round(self._values.get_mean_value(), 1), "stdev": round(self._values.get_stddev(), 1),
            "min": self._values.get_min_value(), "max": self._values.get_max_value(),
            "percentiles": {name: self.percentile(float(name)) for name in PERCENTILES},
            "curve": [[percentile, self.percentile(percentile)] for percentile in self._curve_percentiles()],
        }

    def _curve_percentiles(self):
        """Twelve percentiles for each halving of the rest above them, until that is a single value, and then 100."""
        found, step, percentile = [], 0, 0.0
        while len(found) < 200 and 100 - percentile > 50 / self.count:
            found.append(round(percentile, 6))
            step += 1
            whole, part = divmod(step, 12)
            percentile = 100 - 100 / 2 ** whole * (1 - part / 24)
        return [*found, 100.0]


def _bounded(us):
    return LOWEST if us < LOWEST else HIGHEST if us > HIGHEST else int(us)
