# SPDX-License-Identifier: MIT
"""Transactions of heaps."""
from __future__ import annotations

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

    # Whether its statement was entered and not left.
    _is_open = False

    def __init__(self, heap: Handle) -> None:
        """See Heap.transaction()."""
        self._heap = heap

    def __enter__(self) -> Transaction:
        if self._is_open:
            raise ValueError("a transaction is no transaction within itself")
        result = call(library.heap_begin, (self._heap,), self._begun)
        self._is_open = result == 0
        if result < 0:
            raise failure(result)
        return self

    def _begun(self, result: int, is_interrupted: bool) -> None:
        if result == 0 and is_interrupted:
            library.heap_abort(self._heap)

    def __exit__(self, kind: object, *_: object) -> None:
        result = 0
        try:
            if kind is not None:
                self.abort()
            elif self._is_open:
                result = call(library.heap_commit, (self._heap,), self._committed)
                self._is_open = False
        except BaseException:
            self.abort()
            raise
        check(result)

    def _committed(self, *_: object) -> None:
        self._is_open = False

    def abort(self) -> None:
        """Undoes all of the outermost transaction and ends it, also before its statement ends.

        Where it is over nothing is done.
        """
        if self._is_open:
            # An inner transaction may have ended all.
            library.heap_abort(self._heap)
            self._is_open = False

    def log(self, place: memoryview) -> None:
        """Tells what is going to be changed, before the first store there.

        OSError: E2BIG where the transaction is too large, EFAULT where PLACE is not in the heap.
        """
        check(library.heap_log(self._heap, address_of(place), place.nbytes))
