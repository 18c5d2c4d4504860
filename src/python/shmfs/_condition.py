# SPDX-License-Identifier: MIT
"""Conditions."""
from __future__ import annotations

import errno
import time
from typing import Any, Callable, TypeVar

from ._heap import Heap, Place
from ._library import Name, check, library
from ._mutex import Mutex
from ._placed import Placed
from ._wait import wait_once

T = TypeVar("T")


class Condition(Placed):
    """A condition beside a mutex, in a heap: threads and processes wait for changes.

    The with statement acquires its mutex, as does threading.Condition:

        with condition:
            condition.wait_for(lambda: memory[0] == 1)

    A condition of zeros is ready. Memory of 8 bytes at a multiple of 8 can be one, such as a
    field of an object that C programs use as struct shmfs_condition.
    """

    SIZE = 8
    TYPE = int.from_bytes(b"conditio", "little")
    """The type of the named objects that Condition.named() makes."""

    def __init__(self, heap: Heap, place: Place, mutex: Mutex) -> None:
        """The condition at a place of a heap: memory, or its offset."""
        super().__init__(heap, place)
        self._mutex = mutex

    @classmethod
    def named(cls, heap: Heap, name: Name, mutex: Mutex, type: int = TYPE) -> Condition:
        """The condition that is a named object, which is made where there is none."""
        return cls(heap, cls._named(heap, name, type, bytes(cls.SIZE)), mutex)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._heap, self._offset, self._mutex)

    @property
    def mutex(self) -> Mutex:
        """Its mutex."""
        return self._mutex

    def __enter__(self) -> Condition:
        self._mutex.acquire()
        return self

    def __exit__(self, kind: Any, *rest: object) -> None:
        self._mutex.__exit__(kind, *rest)

    def wait(self, timeout: float | None = None) -> bool:
        """Releases the mutex, waits for a signal, and acquires the mutex again.

        Returns False where TIMEOUT seconds have passed. A wait also ends without a signal, ten
        times a second, because Python handles signals of the system (Ctrl-C) only between
        waits. So look in a loop whether what you wait for is there, or use wait_for().

        The thread holds the mutex again in any case. Raises OwnerDied where a process that held
        the mutex has died, as Mutex.acquire() does; NotRecoverable, and then it does not hold
        the mutex; OSError: EPERM where the thread does not hold the mutex.
        """
        result, is_over = wait_once(library.condition_wait_until, self._attachment,
                                    self._address, self._mutex._address, timeout=timeout,
                                    settle=lambda result, _: self._mutex._settle(result, False))
        if result == -errno.ETIMEDOUT:
            return not is_over
        if result < 0:
            self._mutex._answer(result)
        return True

    def wait_for(self, predicate: Callable[[], T], timeout: float | None = None) -> T:
        """Waits until PREDICATE, which is called with the mutex held, returns what is true.

        Returns what it returned last, which is false where TIMEOUT seconds have passed. Raises
        what wait() raises.
        """
        end = None if timeout is None else time.monotonic() + timeout
        result = predicate()
        while not result:
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                break
            self.wait(left)
            result = predicate()
        return result

    def notify(self) -> None:
        """Wakes one that waits. Hold the mutex, so that no death can lose the signal."""
        check(library.condition_signal(self._attachment, self._address))

    def notify_all(self) -> None:
        """Wakes all that wait. Hold the mutex, so that no death can lose the signal."""
        check(library.condition_broadcast(self._attachment, self._address))
