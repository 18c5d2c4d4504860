# SPDX-License-Identifier: MIT
"""Mapped regions."""
from __future__ import annotations

from typing import Any

from ._library import Handle, Owner, check, library, made, memory, signed, unsigned
from ._modes import Advice, Mode


class Region(Owner):
    """Memory of an object, a segment or another file, mapped into this process.

    Object.map() and Segment.map() make regions, and so do file() and anonymous() here. After
    fork the child has the region, too.

    close(), or the end of a with statement, gives the region back. A memoryview of it, or
    whatever was made of one, keeps the memory mapped for as long as it lives. A part of a region
    is a part of the memoryview; a region has no fixed address and does not shrink.

    The process is killed (SIGBUS) by using memory that somebody has taken from below the
    region by making the object smaller.
    """

    def __init__(self, handle: Handle) -> None:
        """Regions are made by the functions that map."""
        self._handle = handle
        self._mode = Mode(library.region_mode(handle))
        self._size = int(library.region_size(handle))

    @classmethod
    def _map(cls, function: Any, *arguments: Any) -> Region:
        return cls(made(library.region_unmap, function, *arguments))

    @classmethod
    def file(cls, fd: int, mode: Mode = Mode.READ_WRITE, offset: int = 0,
             size: int = 0) -> Region:
        """Maps SIZE bytes of any file that can be mapped, from OFFSET on; 0: up to its end.

        FD stays the caller's and can be closed at once. OSError: ENXIO where the bytes do not
        lie in the file, ENODEV where it cannot be mapped, EACCES where FD is not open for MODE.
        """
        return cls._map(library.region_map_fd, signed(fd), mode, unsigned(offset),
                        unsigned(size), None, 0)

    @classmethod
    def anonymous(cls, size: int) -> Region:
        """Maps memory without a name, which children made by fork share."""
        return cls._map(library.region_map_anonymous, unsigned(size), None, 0)

    @property
    def view(self) -> memoryview:
        """The memory, which can be written where the mode allows it."""
        handle = self._own()
        return memory(handle, library.region_address(handle), self._size,
                      self._mode in (Mode.READ_WRITE, Mode.COPY_ON_WRITE))

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return self._size

    @property
    def mode(self) -> Mode:
        """What it was mapped for."""
        return self._mode

    @property
    def page_size(self) -> int:
        """The size in bytes of the pages that it is made of."""
        return int(library.region_page_size(self._own()))

    def flush(self, offset: int = 0, size: int = 0, wait: bool = True) -> None:
        """Writes what was stored back to a file on a disk; SIZE 0: up to the region's end.

        Without WAIT it only asks for that. Other mappings see each store without this.
        """
        check(library.region_flush(self._own(), unsigned(offset), unsigned(size),
                                   0 if wait else 1))

    def advise(self, advice: Advice) -> None:
        """Tells the kernel how the region is going to be used."""
        check(library.region_advise(self._own(), advice))
