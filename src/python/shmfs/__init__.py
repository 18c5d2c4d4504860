# SPDX-License-Identifier: MIT
"""Shared memory, and what synchronises processes in it: libshmfs in Python.

Object     named memory that any process of the machine can open (shm_open)
Segment    the same of an older kind, with a key in place of a name (shmget)
Region     a part of an object, a segment or another file, mapped: a memoryview
Heap       an object in which processes allocate memory and give names to what they share
Mutex, Condition, Semaphore, Queue
           what synchronises processes, in a heap

Processes in any language share all of it, and so do processes in different containers. A heap
and what lies in it survive the death of any user at any instruction:

    import shmfs

    with shmfs.Heap("example", shmfs.How.OPEN_OR_CREATE) as heap:
        texts = shmfs.Queue(heap, "texts", shmfs.How.OPEN_OR_CREATE, capacity=16, message_size=256)
        texts.send(b"hello")

        counter = heap.find_or_construct("counter", 8).cast("Q")
        with shmfs.Mutex.named(heap, "lock"):
            counter[0] += 1

Memory
    A memoryview of a region or a heap keeps the memory mapped, and so does what is made of it, as
    numpy.frombuffer() does. So no use of a memoryview crashes after close(). Looking at
    memory does not lock it against those who change it: use a Mutex.

Waiting
    Timeouts are in seconds; None waits for ever and 0 does not wait. Other threads run
    meanwhile. Ctrl-C, or another signal whose handler raises an exception, ends a wait within
    100 ms. It gives back a lock or a permit that came in that moment. A message that came is what
    the next receive() of this Queue returns, and is gone if the process ends first; send() may
    have sent. Three waits do not end early, but when the holder gives back or dies: for the lock
    of a heap, for the lock within a queue, and for the mutex at the end of Condition.wait(). What
    lists or checks goes on after a signal that comes just then. As with the locks of
    multiprocessing, a signal at the very end of a with statement can leave the lock held: whoever
    goes on after that calls release(), or Transaction.abort().

Errors
    An error of the library is an OSError with its errno, of the subclass that Python has for it
    (FileNotFoundError, TimeoutError), or OwnerDied, NotRecoverable, Damaged. A number that is too
    large or negative is OverflowError, and what is no number at all TypeError.

Names
    A name is a str or bytes. Bytes that are no UTF-8 are lone surrogates in a str, as in names
    of files.

Processes
    After fork the child uses heaps on its own, and what its parent holds is the parent's.
    Object, Segment, Heap, Mutex, Condition, Semaphore and Queue can be arguments of processes
    of multiprocessing, however these are started; a heap that was opened by a descriptor cannot,
    and where processes are spawned the repair of a Mutex must be a function of a module.

libshmfs(3) is the manual of the C library, and shmfs_heap(3) and others those of its parts.
"""
from ._condition import Condition
from ._heap import Heap, HeapInfo, HeapName
from ._library import Damaged, NotRecoverable, OwnerDied
from ._modes import Advice, How, Mode
from ._mutex import Mutex
from ._object import Object
from ._queue import Message, Queue
from ._region import Region
from ._segment import Segment, SegmentId
from ._semaphore import Semaphore
from ._transaction import Transaction

__all__ = [
    "Advice", "Condition", "Damaged", "Heap", "HeapInfo", "HeapName", "How", "Message", "Mode",
    "Mutex", "NotRecoverable", "Object", "OwnerDied", "Queue", "Region", "Segment", "SegmentId",
    "Semaphore", "Transaction",
]
