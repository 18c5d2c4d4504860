# SPDX-License-Identifier: MIT
"""Waiting in C that Python can interrupt.

Python runs the handlers of signals between two of its instructions, so not while C waits. So
C waits for a slice of time and is called again. A signal may come during a slice that ends
with success: the exception of its handler must not lose the lock, the permit or the message
that C has taken. Therefore results are stored by the very instruction that makes the call,
which extends a list, and whoever is interrupted finds there what is to be given back. On the way
from there to the caller Python looks for no signals, as long as no call unpacks its arguments.
"""
from __future__ import annotations

import ctypes
import errno
import math
import time
from typing import Any, Callable

from ._library import Timespec

SLICE_NS = 100_000_000

Settle = Callable[[int, bool], object]


class Deadline:
    """A time to wait until, in seconds from now; None: for ever."""

    def __init__(self, timeout: float | None) -> None:
        if timeout is not None and math.isnan(timeout):
            raise ValueError("a timeout is a number")
        now = time.monotonic_ns()
        self._end: int | None = None
        if timeout is not None and timeout < 2**31:
            self._end = now + int(max(0.0, timeout) * 1_000_000_000)
        self.is_last = False

    def slice(self) -> Timespec:
        """The end of the next slice."""
        end = time.monotonic_ns() + SLICE_NS
        self.is_last = self._end is not None and self._end <= end
        if self._end is not None and self.is_last:
            end = self._end
        return Timespec(*divmod(end, 1_000_000_000))


def call(function: Any, arguments: tuple[Any, ...], settle: Settle) -> int:
    """Calls FUNCTION. SETTLE gets its result, and whether an exception came before anybody
    else did; without one it is called only where the owner of a mutex died."""
    results: list[int] = []
    try:
        results.extend(map(function, *((argument,) for argument in arguments)))
        if results[0] == -errno.EOWNERDEAD:
            settle(results[0], False)
        return results[0]
    except BaseException:
        if results:
            settle(results[0], True)
        raise


def wait(function: Any, *arguments: Any, timeout: float | None, settle: Settle) -> int:
    """Calls FUNCTION, which also takes a clock and a time, until it does not time out."""
    deadline = Deadline(timeout)
    while True:
        until = ctypes.byref(deadline.slice())
        result = call(function, (*arguments, time.CLOCK_MONOTONIC, until), settle)
        if result != -errno.ETIMEDOUT or deadline.is_last:
            return result


def wait_once(function: Any, *arguments: Any, timeout: float | None,
              settle: Settle) -> tuple[int, bool]:
    """Calls FUNCTION for one slice. Returns its result, and whether the time is over."""
    deadline = Deadline(timeout)
    until = ctypes.byref(deadline.slice())
    return call(function, (*arguments, time.CLOCK_MONOTONIC, until), settle), deadline.is_last
