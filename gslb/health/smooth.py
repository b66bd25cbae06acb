"""Times as a peak-sensitive moving average: a fold over samples.

Laws:
1. The first sample is taken as it is.
2. A sample above the average becomes the average at once; one below pulls it down by DECAY of the
   distance. So the average is never under the last sample nor over the largest one.
3. A larger sample, or a larger average before, never makes a smaller average.

A plain average tells of a path that got slow only after several checks, while every client there
waits; a slow path that is believed fast costs more than a fast one that is believed slow for a
while. Finagle and Envoy's Peak EWMA do the same for requests, with a time constant (10 s by
default) in place of a count of samples: they see thousands of samples a second at any distance,
here one comes each interval, and whoever checks more often also wants to follow sooner.
"""

from __future__ import annotations

DECAY = 0.4
"""The share of the distance to a lower sample that one sample takes off.

At the usual interval of 5 s it equals a time constant of 10 s (1 - e^-0.5 = 0.39). The second that
one lost SYN costs is down to 17 ms after 8 samples, 40 s; a lower value would steer clients away
for minutes, a higher one would forget a path that is slow every other time.
"""


def smooth(previous: float | None, sample: float) -> float:
    """The average after one more sample. previous: None before the first one."""
    if previous is None or sample >= previous:
        return sample
    return previous + DECAY * (sample - previous)
