# SPDX-License-Identifier: MIT
"""Mutexes."""
from __future__ import annotations

import ctypes
import errno
import os
import struct
import threading
from typing import Any, Callable

from ._heap import Heap, Place
from ._library import Name, check, failure, library
from ._placed import Placed
from ._wait import wait

_ORPHANED, _LOST, _RECURSIVE = 0x40000000, 0xFFFFFFFF, 1

# The mutexes that threads of this process have from the dead and have not repaired yet: where
# they are, and which thread holds them.
_inherited: dict[tuple[int, int], tuple[int, int]] = {}


class Mutex(Placed):
    """Mutual exclusion between processes and threads, in a heap.

    A thread holds it from acquire() until release(), or in a with statement. A process that dies
    does not take the mutex with it. The next thread that wants the mutex gets it within 100 ms,
    and is told that what the mutex protects may be half changed:

    - With REPAIR, a function without arguments, that function is called, and the mutex is
      held as if nothing had happened.
    - Without REPAIR, acquire(), the with statement and Condition.wait() raise OwnerDied. The
      thread holds the mutex all the same: repair, call consistent(), and then release().

    As long as that is not repaired the mutex cannot be given back by release() or by the end
    of a with statement: these raise OwnerDied, too. So nobody goes on with damaged memory by
    mistake. A process that cannot repair ends, and the next one is told; or it says by abandon()
    that nobody can, and all who want the mutex get NotRecoverable for ever.

    A mutex of zeros is free. Memory of 24 bytes at a multiple of 8 can be one, such as a field
    of an object that C programs use as struct shmfs_mutex.
    """

    SIZE = 24
    TYPE = int.from_bytes(b"mutex", "little")
    """The type of the named objects that Mutex.named() makes."""

    def __init__(self, heap: Heap, place: Place,
                 repair: Callable[[], object] | None = None) -> None:
        """The mutex at a place of a heap: memory, or its offset."""
        super().__init__(heap, place)
        self._repair = repair

    @classmethod
    def named(cls, heap: Heap, name: Name, recursive: bool = False, type: int = TYPE,
              repair: Callable[[], object] | None = None) -> Mutex:
        """The mutex that is a named object, which is made where there is none.

        One that is made RECURSIVE can be acquired again by the thread that holds it, and is
        released as often. OSError: as Heap.find_or_construct().
        """
        data = struct.pack("=IIQII", 0, _RECURSIVE if recursive else 0, 0, 0, 0)
        return cls(heap, cls._named(heap, name, type, data), repair)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._heap, self._offset, self._repair)

    def _holder(self) -> int:
        return ctypes.c_uint64.from_address(self._address + 8).value

    def _is_orphaned(self) -> bool:
        word = ctypes.c_uint32.from_address(self._address).value
        return word != _LOST and bool(word & _ORPHANED)

    def _is_inherited(self) -> bool:
        """Whether the calling thread holds it and has not repaired it."""
        return self._is_orphaned() and _inherited.get(
            (self._address, self._holder())) == (os.getpid(), threading.get_ident())

    def _unlock(self) -> int:
        return int(library.mutex_unlock(self._attachment, self._address))

    def _settle(self, result: int, is_interrupted: bool) -> None:
        """Whoever is interrupted does not hold it, but never forgets what is to be repaired."""
        if result == -errno.EOWNERDEAD:
            _inherited[self._address, self._holder()] = os.getpid(), threading.get_ident()
        elif result == 0 and is_interrupted:
            self._unlock()

    def acquire(self, timeout: float | None = None) -> bool:
        """Waits for the mutex, TIMEOUT seconds at most, and holds it. Returns False for not.

        Raises OwnerDied, see above, also where the thread had it already and has not repaired;
        NotRecoverable; OSError: EDEADLK where the thread holds it already and it is not
        recursive, EROFS where the attachment may only read.
        """
        result = wait(library.mutex_lock_until, self._attachment, self._address,
                      timeout=timeout, settle=self._settle)
        if result == 0:
            return True
        if result == -errno.ETIMEDOUT:
            return False
        if result == -errno.EDEADLK and self._is_inherited():
            result = -errno.EOWNERDEAD
        try:
            self._answer(result)
        except BaseException:
            # A signal can come when all is repaired.
            if result == -errno.EOWNERDEAD and not self._is_inherited():
                self._unlock()
            raise
        return True

    def _answer(self, result: int) -> None:
        """Repairs, and holds the mutex; or raises the exception of a result that is no success."""
        if result != -errno.EOWNERDEAD or self._repair is None:
            raise failure(result)
        self._repair()
        self.consistent()

    def release(self) -> None:
        """Gives the mutex back.

        Raises OwnerDied, and the thread holds the mutex still, where consistent() was not
        called. OSError: EPERM where the thread does not hold the mutex.
        """
        self.__exit__(None)

    def consistent(self) -> None:
        """Tells that what the mutex protects is repaired.

        OSError: EPERM where the thread does not hold the mutex, EINVAL where there is nothing
        to repair.
        """
        holder = self._holder()
        check(library.mutex_consistent(self._attachment, self._address))
        _inherited.pop((self._address, holder), None)

    def abandon(self) -> None:
        """Gives the mutex back after OwnerDied, for ever, where nobody can repair.

        OSError: EINVAL where there is nothing to repair, EPERM where the thread does not hold
        the mutex.
        """
        holder = self._holder()
        if not self._is_orphaned():
            raise failure(-errno.EINVAL)
        check(self._unlock())
        _inherited.pop((self._address, holder), None)

    @property
    def deaths(self) -> int:
        """How many of its holders died."""
        return ctypes.c_uint32.from_address(self._address + 20).value

    def __enter__(self) -> Mutex:
        self.acquire()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        results: list[int] = []
        try:
            self._give(results)
        except BaseException:
            # A signal came, and the statement is left all the same.
            if not results:
                self._give(results)
            raise
        # What has left the statement tells of the death already.
        if results[0] < 0 and (kind is None or results[0] != -errno.EOWNERDEAD):
            raise failure(results[0])

    def _give(self, results: list[int]) -> None:
        """Gives it back if that is allowed. The call and the note that it was made are one step."""
        if self._is_inherited():
            results.append(-errno.EOWNERDEAD)
        else:
            results.extend(map(library.mutex_unlock, (self._attachment,), (self._address,)))
