# SPDX-License-Identifier: MIT
"""Transactions of heaps."""
from __future__ import annotations

import errno

from ._library import Handle, address_of, check, failure, library
from ._wait import call


class Transaction:
    """Changes of a heap that are done as one: a with statement, see Heap.transaction().

    Within it the thread has the heap's lock. Its changes are done at the end of the statement;
    an exception that leaves it undoes them, and so does the death of the process. What is undone
    are changes by functions of the heap, and bytes that log() was told of.

    A transaction can be within another: the outermost one counts. An exception that leaves an
    inner one undoes all, and the outer one then raises OSError (EPERM) at its end, unless it is
    left by an exception, too.

    A transaction belongs to its thread: do not await anything within it.
    """

    def __init__(self, heap: Handle) -> None:
        """See Heap.transaction()."""
        self._heap = heap

    def __enter__(self) -> Transaction:
        result = call(library.heap_begin, self._heap, settle=self._settle)
        if result < 0:
            raise failure(result)
        return self

    def _settle(self, result: int, is_interrupted: bool) -> None:
        if result == 0 and is_interrupted:
            library.heap_abort(self._heap)

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            check(library.heap_commit(self._heap))
            return
        result = library.heap_abort(self._heap)
        # An inner transaction may have ended all.
        if result != -errno.EPERM:
            check(result)

    def log(self, place: memoryview) -> None:
        """Tells what is going to be changed, before the first store there.

        OSError: E2BIG where the transaction is too large, EFAULT where PLACE is not in the heap.
        """
        check(library.heap_log(self._heap, address_of(place), place.nbytes))
