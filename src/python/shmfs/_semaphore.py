# SPDX-License-Identifier: MIT
"""Semaphores."""
from __future__ import annotations

import errno
import struct

from ._heap import Heap, Place
from ._library import Name, check, failure, library
from ._placed import Placed
from ._wait import wait


class Semaphore(Placed):
    """A number of permits, in a heap. The with statement takes one and gives it back.

    Nobody owns a permit: a process that dies between acquire() and release() has lost it for
    all. Where that must not be, use a Mutex. Processes that die while they wait take none.

    A semaphore of zeros has no permits. Memory of 16 bytes at a multiple of 8 can be one, such as
    a field of an object that C programs use as struct shmfs_semaphore.
    """

    SIZE = 16
    TYPE = int.from_bytes(b"semaphor", "little")
    """The type of the named objects that Semaphore.named() makes."""

    @classmethod
    def named(cls, heap: Heap, name: Name, value: int = 0, type: int = TYPE) -> Semaphore:
        """The semaphore that is a named object; where there is none it is made, with VALUE
        permits."""
        if not 0 <= value < 2**31:
            raise ValueError("a semaphore has 0 to 2147483647 permits")
        return cls(heap, cls._named(heap, name, type, struct.pack("=QII", 0, value, 0)))

    def _settle(self, result: int, is_interrupted: bool) -> None:
        if result == 0 and is_interrupted:
            library.semaphore_post(self._attachment, self._address)

    def acquire(self, timeout: float | None = None) -> bool:
        """Waits for a permit, TIMEOUT seconds at most, and takes it. Returns False for not.

        OSError: EROFS where the attachment may only read.
        """
        result = wait(library.semaphore_wait_until, self._attachment, self._address,
                      timeout=timeout, settle=self._settle)
        if result == 0:
            return True
        if result == -errno.ETIMEDOUT:
            return False
        raise failure(result)

    def release(self, n: int = 1) -> None:
        """Adds N permits. OSError: EOVERFLOW where there would be more than 2147483647."""
        for _ in range(n):
            check(library.semaphore_post(self._attachment, self._address))

    @property
    def value(self) -> int:
        """How many permits there are now."""
        return int(library.semaphore_value(self._address))

    def __enter__(self) -> Semaphore:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        results: list[int] = []
        try:
            self._post(results)
        except BaseException:
            # A signal came, and the statement is left all the same.
            if not results:
                self._post(results)
            raise
        check(results[0])

    def _post(self, results: list[int]) -> None:
        """Adds a permit. The call and the note that it was made are one step."""
        results.extend(map(library.semaphore_post, (self._attachment,), (self._address,)))
