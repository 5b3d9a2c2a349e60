"""Statistics of online detectors, written anew so that a grid of thousands of streams can be run.

`mmd` and `cvm` are the statistics of Alibi Detect's MMDDriftOnline and CVMDriftOnline (Cobb, Van
Looveren and Klaise, AISTATS 2022; Ross and Adams 2012), computed incrementally; alibi_run.py
compares them with the library's own values at every row of some streams. `qt_ewma` is QT-EWMA
(Frittoli, Carrera and Boracchi 2021) on a QuantTree histogram (Boracchi et al. 2018), which no
package has.
"""

import numpy
from numba import njit


@njit(cache=True)
def mmd(x, reference_means, reference_sum, gamma, window, stop, before):
    """MMD² of the last `window` rows and the reference; −inf until the window is full."""
    count, width = x.shape
    kernel = numpy.zeros((window, window))
    path = numpy.full(count, -numpy.inf)
    inside, across = 0.0, 0.0
    for t in range(count):
        place = t % window
        if t >= window:
            for i in range(window):
                if i != place:
                    inside -= 2 * kernel[place, i]
            across -= reference_means[t - window]
        for i in range(window):
            if i == place or (t < window and i >= t):
                continue
            other = t - (t - i) % window
            distance = 0.0
            for k in range(width):
                difference = x[t, k] - x[other, k]
                distance += difference * difference
            value = numpy.exp(-gamma * distance)
            kernel[place, i] = value
            kernel[i, place] = value
            inside += 2 * value
        across += reference_means[t]
        if t >= window - 1:
            path[t] = reference_sum + inside / (window * (window - 1)) - 2 * across / window
            if t >= before and path[t] >= stop:
                return path[: t + 1]
    return path


@njit(cache=True)
def cvm(x, below, at_most, reference_distribution, windows, stop, before):
    """The greatest Cramér–von Mises statistic over windows and features, standardised.

    x[t, f]: the rows; below[t, f]: reference values less than row t's; at_most: not greater than it;
    reference_distribution[f, k]: the reference's distribution function at its k-th value.
    """
    count, features = below.shape
    n = reference_distribution.shape[1]
    path = numpy.full(count, -numpy.inf)
    for w in range(len(windows)):
        size = windows[w]
        mean = 1 / 6 + 1 / (6 * (n + size))
        top = (n + size + 1.0) * (4.0 * n * size * (n + size) - 3.0 * (n * n + size * size) - 2.0 * n * size)
        deviation = numpy.sqrt(top / (45.0 * (n + size) * (n + size) * 4.0 * n * size))
        factor = n * size / ((n + size) * (n + size))
        histogram = numpy.zeros((features, n + 1))
        for t in range(count):
            for f in range(features):
                histogram[f, below[t, f]] += 1
                if t >= size:
                    histogram[f, below[t - size, f]] -= 1
            if t < size - 1:
                continue
            for f in range(features):
                total, seen = 0.0, 0.0
                for k in range(n):
                    seen += histogram[f, k]
                    difference = reference_distribution[f, k] - seen / size
                    total += difference * difference
                for i in range(t - size + 1, t + 1):
                    not_above = 0
                    for j in range(t - size + 1, t + 1):
                        if x[j, f] <= x[i, f]:
                            not_above += 1
                    difference = at_most[i, f] / n - not_above / size
                    total += difference * difference
                value = (total * factor - mean) / deviation
                if value > path[t]:
                    path[t] = value
            if len(windows) == 1 and t >= before and path[t] >= stop:
                return path[: t + 1]
    return path


@njit(cache=True)
def qt_ewma(bins, shares, memory, stop, before):
    """Pearson's statistic of exponentially weighted shares of the bins."""
    weighted = shares.copy()
    path = numpy.empty(len(bins))
    for t in range(len(bins)):
        weighted *= 1 - memory
        weighted[bins[t]] += memory
        path[t] = ((weighted - shares) ** 2 / shares).sum()
        if t >= before and path[t] >= stop:
            return path[: t + 1]
    return path


class QuantTree:
    """Bins of equal share, each cut off from what is left along a random axis, low or high."""

    def __init__(self, reference, bins=32, seed=0):
        random = numpy.random.default_rng(seed)
        left = reference
        self.rules = []
        size = len(reference) // bins
        for _ in range(bins - 1):
            axis, low = int(random.integers(reference.shape[1])), bool(random.integers(2))
            ordered = numpy.sort(left[:, axis])
            cut = ordered[size - 1] if low else ordered[-size]
            self.rules.append((axis, cut, low))
            left = left[left[:, axis] > cut] if low else left[left[:, axis] < cut]
        counts = numpy.bincount(self.bins(reference), minlength=bins)
        self.shares = counts / (len(reference) + 1)
        self.shares[-1] += 1 / (len(reference) + 1)

    def bins(self, rows):
        found = numpy.full(len(rows), len(self.rules), numpy.int64)
        free = numpy.ones(len(rows), bool)
        for number, (axis, cut, low) in enumerate(self.rules):
            hit = free & ((rows[:, axis] <= cut) if low else (rows[:, axis] >= cut))
            found[hit] = number
            free &= ~hit
        return found
