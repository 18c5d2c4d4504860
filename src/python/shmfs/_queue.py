# SPDX-License-Identifier: MIT
"""Queues of messages."""
from __future__ import annotations

import ctypes
import errno
import os
from collections import deque
from typing import Any, NamedTuple

from ._heap import Heap
from ._library import Name, QueueFigures, QueueOptions, check, encoded, failure, library
from ._modes import How
from ._wait import wait

# What a queue can have, as shmfs_queue(3) says.
_SIZE_MOST = 1 << 24


class Message(NamedTuple):
    """A message of a queue."""

    data: bytes
    priority: int


class Queue:
    """Messages between processes and threads, as a named object of a heap.

    Those of the highest priority are received first, and among them the one that was sent first.
    A process can be killed at any moment: each message is in the queue as a whole or it is not
    there. It is received at least once: a process that dies while it receives may leave a
    message that it has copied to another. Heap.destroy() removes a queue.

    A Queue keeps the attachment, so it can be used after Heap.close().
    """

    PRIORITIES = 32
    """Priorities are 0 to 31."""

    def __init__(self, heap: Heap, name: Name, how: How = How.OPEN, capacity: int = 0,
                 message_size: int = 0) -> None:
        """Makes or finds the queue NAME.

        One that is made has room for CAPACITY messages, 1 to 16777216, of up to MESSAGE_SIZE
        bytes, 0 to 16777216. OSError: FileExistsError, FileNotFoundError, EPROTOTYPE where the
        name is that of something else, EINVAL, ENOSPC, EROFS, Damaged.
        """
        for number in (capacity, message_size):
            if not 0 <= number <= _SIZE_MOST:
                raise ValueError(f"{number} is not 0 to {_SIZE_MOST}")
        self._heap = heap
        self._attachment = heap._own()
        self._name = encoded(name)
        # Of this process: messages that were taken when an exception came.
        self._kept: deque[tuple[int, Message]] = deque()
        queue = ctypes.c_void_p()
        options = QueueOptions(capacity, message_size)
        check(library.queue_open(self._attachment, self._name, how, ctypes.byref(options),
                                 ctypes.byref(queue)), name)
        self._address = queue.value

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process finds it in the heap, to which it attaches."""
        return type(self), (self._heap, self._name)

    def _info(self) -> QueueFigures:
        figures = QueueFigures()
        library.queue_info(self._address, ctypes.byref(figures))
        return figures

    @property
    def capacity(self) -> int:
        """The most messages in it."""
        return int(self._info().capacity)

    @property
    def message_size(self) -> int:
        """The most bytes of a message."""
        return int(self._info().message_size)

    def __len__(self) -> int:
        """The messages that there are now."""
        return int(self._info().messages)

    def send(self, data: bytes | bytearray | memoryview, priority: int = 0,
             timeout: float | None = None) -> None:
        """Waits for room, TIMEOUT seconds at most, and sends a message.

        TimeoutError: there was no room. OSError: EMSGSIZE where it is too long, EROFS, Damaged.
        """
        if not 0 <= priority < self.PRIORITIES:
            raise ValueError(f"{priority} is no priority, 0 to {self.PRIORITIES - 1}")
        raw = bytes(data)
        check(wait(library.queue_send_until, self._attachment, self._address, raw, len(raw),
                   priority, timeout=timeout, settle=lambda *_: None))

    def receive(self, timeout: float | None = None) -> bytes:
        """Waits for a message, TIMEOUT seconds at most, and receives it.

        TimeoutError: there was none. OSError: EROFS, Damaged.
        """
        return self.receive_message(timeout).data

    def receive_message(self, timeout: float | None = None) -> Message:
        """As receive(), with the priority of the message."""
        while self._kept:
            process, message = self._kept.popleft()
            if process == os.getpid():
                return message
        room = self.message_size
        if room > _SIZE_MOST:
            raise failure(-errno.EUCLEAN)
        buffer = ctypes.create_string_buffer(room or 1)
        size, priority = ctypes.c_size_t(), ctypes.c_uint()

        def settle(result: int, is_interrupted: bool) -> None:
            if result == 0 and is_interrupted:
                self._kept.append((os.getpid(), message_of()))

        def message_of() -> Message:
            return Message(ctypes.string_at(buffer, size.value), priority.value)

        result = wait(library.queue_receive_until, self._attachment, self._address, buffer, room,
                      ctypes.byref(size), ctypes.byref(priority), timeout=timeout, settle=settle)
        if result < 0:
            raise failure(result)
        try:
            return message_of()
        except BaseException:
            settle(result, True)
            raise
