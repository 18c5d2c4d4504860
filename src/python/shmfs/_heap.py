# SPDX-License-Identifier: MIT
"""Heaps."""
from __future__ import annotations

import ctypes
import errno
import os
from typing import Any, Iterator, NamedTuple, Union

from ._library import (HEAP_FN, PROBLEM_FN, Collector, Handle, HeapFigures, HeapOptions, Name,
                       Owner, address_of, check, encoded, failure, library, made, memory, signed,
                       unsigned)
from ._modes import How, Mode
from ._transaction import Transaction

# Memory of a heap: as a memoryview that can be written, or where it begins.
Place = Union[memoryview, int]


class HeapName(NamedTuple):
    """A named object of a heap."""

    name: str
    """Its name; bytes that are no UTF-8 are lone surrogates, as in names of files."""
    type: int
    """The number of what it is, which it was made with."""
    size: int
    """Its size in bytes."""
    offset: int
    """Where it begins."""


class HeapInfo(NamedTuple):
    """What there is in a heap. Sizes are in bytes."""

    size: int
    """Its size."""
    limit: int
    """The size up to which it may grow."""
    used: int
    """Memory in use, with 16 for each allocation."""
    free: int
    """Memory that is free."""
    largest_free: int
    """What can surely be allocated at once without growing, or nearly so."""
    allocations: int
    """Those of named objects and of the table of names included."""
    names: int
    """Of objects."""
    attachments: int
    """That may write, of living processes."""
    deaths: int
    """Of processes that were changing the heap, whose changes were undone."""


class Heap(Owner):
    """An object in which processes allocate memory and give names to what they share.

    It survives the death of any of them at any instruction: the next process that changes the
    heap undoes the change that the dead one had not finished. Offsets are in bytes from the
    beginning of the heap, and 0 is no place. shmfs_heap(3) has the rules, which hold here.

    All functions may be called by several threads at once. After fork the child is attached on
    its own. A heap can be an argument of a process of multiprocessing, however that is started:
    it is opened there by its name.

    close(), or the end of a with statement, ends the use of this Heap. The attachment itself
    lasts until nothing refers to memory of it: a memoryview, a Mutex, a Queue.
    """

    def __init__(self, name: Name, how: How = How.OPEN, size: int = 0, limit: int = 0,
                 perm: int = 0o644) -> None:
        """Makes a heap, or attaches to one, by the name of its object.

        SIZE and LIMIT are those of a heap that is made: 0 is 64 KiB, and 16 times the size. PERM
        are its permissions. OSError: FileExistsError, FileNotFoundError, PermissionError, EINVAL
        where the object is no heap, EPROTONOSUPPORT where it is one of another version, Damaged,
        ENOSPC without memory for its size, and others of shmfs_heap_open(3).
        """
        options = HeapOptions(unsigned(size), unsigned(limit), unsigned(perm, 32))
        raw = encoded(name)
        self._handle = made(library.heap_close, library.heap_open, raw, how,
                            ctypes.byref(options), name=name)
        self._mode = Mode.READ_WRITE
        self._name: Name | None = raw

    @classmethod
    def _of(cls, handle: Handle, mode: Mode, name: Name | None = None) -> Heap:
        self = cls.__new__(cls)
        self._handle, self._mode, self._name = handle, mode, name
        return self

    @classmethod
    def open_read_only(cls, name: Name) -> Heap:
        """Attaches to a heap in order to read. Writers never wait for such a reader.

        Names can be looked up and memory be read. What would change the heap is EROFS.
        """
        raw = encoded(name)
        return cls._of(made(library.heap_close, library.heap_open_read_only, raw, name=name),
                       Mode.READ_ONLY, raw)

    @classmethod
    def open_fd(cls, fd: int, mode: Mode = Mode.READ_WRITE) -> Heap:
        """Attaches to a heap in any file that can be mapped: on a mount, a memfd, on disk.

        FD stays the caller's and can be closed at once.
        """
        return cls._of(made(library.heap_close, library.heap_open_fd, signed(fd), mode), mode)

    @classmethod
    def create_fd(cls, fd: int, size: int = 0, limit: int = 0) -> Heap:
        """Makes an empty file a heap, and attaches to it.

        FD is open for reading and writing, and stays the caller's. FileExistsError: the file is
        not empty.
        """
        options = HeapOptions(unsigned(size), unsigned(limit), 0)
        return cls._of(made(library.heap_close, library.heap_create_fd, signed(fd),
                            ctypes.byref(options)), Mode.READ_WRITE)

    @staticmethod
    def remove(name: Name) -> None:
        """Removes the name of a heap. Attachments stay, and the memory until they are gone."""
        check(library.heap_remove(encoded(name)), name)

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process attaches by the name."""
        if self._name is None:
            raise TypeError("a heap of a descriptor has no name: hand over the descriptor")
        if self._mode == Mode.READ_ONLY:
            return type(self).open_read_only, (self._name,)
        return type(self), (self._name,)

    @property
    def mode(self) -> Mode:
        """READ_WRITE or READ_ONLY."""
        return self._mode

    # Places.

    def _is_writable(self) -> bool:
        return self._mode == Mode.READ_WRITE

    def _view(self, address: int, size: int) -> memoryview:
        return memory(self._own(), address, size, self._is_writable())

    def _address(self, place: Place, size: int) -> int:
        """The address of SIZE bytes at PLACE."""
        if isinstance(place, memoryview):
            if place.nbytes < size:
                raise ValueError(f"{size} bytes are needed, not {place.nbytes}")
            return address_of(place)
        address = library.heap_at(self._own(), unsigned(place), unsigned(size))
        if not address:
            raise ValueError(f"{size} bytes at offset {place} are not in the heap")
        return int(address)

    @property
    def root(self) -> memoryview:
        """The user's place in every heap, as one number of 64 bits: root[0].

        It is an offset, and 0 in a new heap. alloc() and free() change it; whoever changes it
        otherwise logs it before, in a transaction.
        """
        return self._view(library.heap_root(self._own()), 8).cast("Q")

    def at(self, offset: int, size: int | None = None) -> memoryview:
        """Memory at OFFSET; without SIZE all of the allocation that begins there.

        ValueError: it is not in the heap. OSError: EINVAL where no allocation begins there.
        """
        if size is None:
            size = self.size_of(offset)
        return self._view(self._address(offset, size), size)

    def offset(self, place: memoryview) -> int:
        """The offset of memory that can be written. ValueError: it is not in this heap."""
        offset = int(library.heap_offset(self._own(), address_of(place)))
        if not offset:
            raise ValueError("this is no memory of the heap")
        return offset

    # Allocating.

    def alloc(self, size: int, place: Place, align: int = 16) -> memoryview:
        """Allocates SIZE bytes and stores their offset in the 8 bytes at PLACE, which are 0.

        PLACE is Heap.root or other memory of the heap. Both happen in one step, so that a death
        loses no memory. OSError: ENOSPC; FileExistsError where PLACE is not 0; EFAULT where it
        is not in the heap; EINVAL where ALIGN is no power of two up to 4096; Damaged.
        """
        address = self._address(place, 8)
        check(library.heap_alloc(self._own(), unsigned(size), unsigned(align), address))
        return self.at(ctypes.c_uint64.from_address(address).value, size)

    def free(self, place: Place) -> None:
        """Frees the memory whose offset stands in the 8 bytes at PLACE, which become 0.

        Where they are 0 there is nothing to free. OSError: EINVAL where no allocation begins
        there. Memoryviews of what is free show what others do with it.
        """
        check(library.heap_free(self._own(), self._address(place, 8)))

    def resize(self, offset: int, size: int) -> memoryview:
        """Changes the size of an allocation where it is. OSError: ENOSPC, EINVAL."""
        check(library.heap_resize(self._own(), unsigned(offset), unsigned(size)))
        return self.at(offset, size)

    def size_of(self, offset: int) -> int:
        """The size of an allocation in bytes: what was asked for, or a little more."""
        size = ctypes.c_uint64()
        check(library.heap_size_of(self._own(), unsigned(offset), ctypes.byref(size)))
        return size.value

    # Names.

    def construct(self, name: Name, size: int | None = None, type: int = 0,
                  data: bytes | None = None) -> memoryview:
        """Makes an object with a name, of SIZE zeros or of DATA.

        TYPE is any number of 64 bits for what the object is. Others find the object when it is
        complete. OSError: FileExistsError, ENOSPC, ENAMETOOLONG beyond 255 bytes.
        """
        return self._construct(library.heap_construct, name, size, type, data)

    def find_or_construct(self, name: Name, size: int | None = None, type: int = 0,
                          data: bytes | None = None) -> memoryview:
        """Finds an object of a size, or makes it, as construct() does.

        When several processes ask at once, one makes the object and all get it. OSError: also
        EPROTOTYPE and EMSGSIZE where the name is that of an object of another type or size.
        """
        return self._construct(library.heap_find_or_construct, name, size, type, data)

    def _construct(self, function: Any, name: Name, size: int | None, type: int,
                   data: bytes | None) -> memoryview:
        if size is None:
            size = len(data or b"")
        elif data is not None and len(data) != size:
            raise ValueError(f"there are {len(data)} bytes of data, not {size}")
        ret = ctypes.c_void_p()
        check(function(self._own(), encoded(name), unsigned(type), unsigned(size), data,
                       ctypes.byref(ret)), name)
        return self._view(ret.value or 0, size)

    def find(self, name: Name, size: int | None = None, type: int = 0) -> memoryview:
        """Finds an object by its name, its type and, where it is given, its size.

        Without SIZE all names are listed, which takes the longer the more there are. OSError:
        FileNotFoundError; EPROTOTYPE, EMSGSIZE where the object has another type or size; EBUSY
        where this attachment may only read, and names are being changed.
        """
        ret, raw = ctypes.c_void_p(), encoded(name)
        unsigned(size or 0), unsigned(type)
        if size:
            check(library.heap_find(self._own(), raw, type, size, ctypes.byref(ret)), name)
            return self._view(ret.value or 0, size)
        for found in self:
            if os.fsencode(found.name) == raw and found.type == type:
                if size is not None and found.size:
                    raise failure(-errno.EMSGSIZE, name)
                return self.at(found.offset, found.size)
        # It is not there, or is something else, or has come since.
        check(library.heap_find(self._own(), raw, type, 0, ctypes.byref(ret)), name)
        return self.find(name, size, type)

    def destroy(self, name: Name) -> None:
        """Takes an object and its name away. Nobody may use the object any more."""
        check(library.heap_destroy(self._own(), encoded(name)), name)

    def __iter__(self) -> Iterator[HeapName]:
        """The named objects of one moment, in no particular order."""
        found = Collector(lambda name, _: HeapName(
            os.fsdecode(name[0].name), name[0].type, name[0].size, name[0].object))
        return iter(found.result(library.heap_list(self._own(), HEAP_FN(found.add), None)))

    def __contains__(self, name: Name) -> bool:
        """Whether there is an object of that name, of any type."""
        ret = ctypes.c_void_p()
        result = library.heap_find(self._own(), encoded(name), 0, 0, ctypes.byref(ret))
        if result in (0, -errno.EPROTOTYPE):
            return True
        if result == -errno.ENOENT:
            return False
        raise failure(result, name)

    # The whole.

    def transaction(self) -> Transaction:
        """Several changes that are done as one, or not at all: a with statement."""
        return Transaction(self._own())

    def grow(self, size: int) -> None:
        """Makes the heap at least SIZE bytes large now. It grows by itself when it must."""
        check(library.heap_grow(self._own(), unsigned(size)))

    def trim(self) -> None:
        """Gives free memory at the end back to the system. OSError: EBUSY in a transaction."""
        check(library.heap_trim(self._own()))

    def info(self) -> HeapInfo:
        """What there is in the heap. Each figure is right by itself."""
        figures = HeapFigures()
        library.heap_info(self._own(), ctypes.byref(figures))
        return HeapInfo(*(getattr(figures, field) for field in HeapInfo._fields))

    def check(self) -> list[str]:
        """Looks whether the heap is in order. Returns the problems, in words."""
        found = Collector(lambda problem, _: os.fsdecode(problem))
        return found.result(library.heap_check(self._own(), PROBLEM_FN(found.add), None))
