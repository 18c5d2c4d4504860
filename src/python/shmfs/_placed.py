# SPDX-License-Identifier: MIT
"""What lies in memory of a heap and synchronises its users."""
from __future__ import annotations

import ctypes
from typing import Any, Callable

from ._heap import Heap, Place
from ._library import Name, check, encoded, library, unsigned


class Placed:
    """Something of a fixed size at a place of a heap.

    It keeps the attachment, so it can be used after Heap.close().
    """

    SIZE = 0
    """Its size in bytes."""

    def __init__(self, heap: Heap, place: Place) -> None:
        """What is at a place of a heap: memory, or its offset.

        ValueError: the place is not in the heap, is too small, or is no multiple of 8.
        """
        self._heap = heap
        self._attachment = heap._own()
        self._address = heap._address(place, self.SIZE)
        self._offset = int(library.heap_offset(self._attachment, self._address))
        if not library.heap_at(self._attachment, self._offset, self.SIZE):
            raise ValueError("this is no memory of the heap")
        if self._offset % 8:
            raise ValueError("the place must begin at a multiple of 8")

    @classmethod
    def _named(cls, heap: Heap, name: Name, type: int, data: bytes) -> int:
        """The offset of a named object, which is made of DATA where that is possible."""
        attachment, ret = heap._own(), ctypes.c_void_p()
        function: Callable[..., Any] = library.heap_find
        arguments: list[Any] = [unsigned(type), cls.SIZE]
        if heap._is_writable():
            function = library.heap_find_or_construct
            arguments.append(data)
        check(function(attachment, encoded(name), *arguments, ctypes.byref(ret)), name)
        return int(library.heap_offset(attachment, ret))

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process finds it in the heap, to which it attaches."""
        return type(self), (self._heap, self._offset)

    @property
    def offset(self) -> int:
        """Where it is in the heap."""
        return self._offset
