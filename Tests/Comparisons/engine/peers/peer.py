"""What the peers share: a process that answers questions in JSON lines, and the timing of a call.

Each peer is a process of its own, so that no library's threads or allocator disturb another's.
"""

import json
import os
import statistics
import sys
import time

# A sample repeats a call until it lasts at least this long: the clock's own cost then vanishes.
SAMPLE_SECONDS_MIN = 0.0005


def answer(handlers):
    """Answers one JSON object a line, until the input ends: {"ask": name, argument: value, …}."""
    replies = os.fdopen(os.dup(1), "w")
    # Whatever a library prints goes to the log, not between the answers.
    os.dup2(2, 1)
    for line in sys.stdin:
        question = json.loads(line)
        result = handlers[question.pop("ask")](**question)
        replies.write(json.dumps(result) + "\n")
        replies.flush()


def microseconds(call, seconds):
    """Times a call for so long after a warm-up: minimum, median and maximum of the samples."""
    clock = time.perf_counter
    warm = clock() + seconds / 4
    while True:
        started = clock()
        call()
        ended = clock()
        if ended > warm:
            break
    repeats = max(1, int(SAMPLE_SECONDS_MIN / (ended - started)))
    samples, end = [], clock() + seconds
    while not samples or clock() < end:
        started = clock()
        for _ in range(repeats):
            call()
        samples.append((clock() - started) / repeats * 1e6)
    return {
        "minimum": min(samples),
        "median": statistics.median(samples),
        "maximum": max(samples),
    }
