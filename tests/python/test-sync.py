# SPDX-License-Identifier: MIT
"""Mutexes, conditions, semaphores and queues between threads, and signals that end a wait."""
import errno
import signal
import threading
import time
import unittest

import fixture
from fixture import BOTH, CREATE, Case, Interrupt, in_thread, interrupt, is_free
from shmfs import Condition, Heap, Message, Mutex, Queue, Semaphore


class Synchronised(Case):
    def setUp(self):
        super().setUp()
        self.heap = fixture.heap()
        self.mutex = Mutex.named(self.heap, "mutex")

    def tearDown(self):
        self.assertEqual(self.heap.check(), [])
        self.heap.close()
        del self.mutex
        super().tearDown()


class Mutexes(Synchronised):
    def test_exclusion(self):
        counter = self.heap.construct("counter", 8).cast("Q")

        def count():
            for _ in range(500):
                with self.mutex:
                    counter[0] += 1

        threads = [threading.Thread(target=count) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(counter[0], 2000)
        del counter, count

    def test_timeout(self):
        with self.mutex:
            begin = time.monotonic()
            self.assertFalse(in_thread(self.mutex.acquire, 0.15))
            self.assertGreaterEqual(time.monotonic() - begin, 0.15)
            self.assertFalse(in_thread(self.mutex.acquire, 0))
            self.assertFalse(in_thread(self.mutex.acquire, -1))
        self.assertTrue(is_free(self.mutex))
        self.assertRaises(ValueError, self.mutex.acquire, float("nan"))

    def test_refusals(self):
        self.refused(errno.EPERM, self.mutex.release, kind=PermissionError)
        self.refused(errno.EPERM, self.mutex.consistent, kind=PermissionError)
        with self.mutex:
            self.refused(errno.EDEADLK, self.mutex.acquire)
            self.refused(errno.EINVAL, self.mutex.consistent)
            self.refused(errno.EINVAL, self.mutex.abandon)
        self.refused(errno.EPROTOTYPE, Semaphore.named, self.heap, "mutex")

    def test_recursive(self):
        self.mutex = Mutex.named(self.heap, "recursive", recursive=True)
        with self.mutex, self.mutex:
            pass
        with self.mutex:
            with self.mutex:
                pass
            self.assertFalse(is_free(self.mutex))
        self.assertTrue(is_free(self.mutex))

    def test_places(self):
        box = self.heap.construct("box", 40)
        self.mutex = Mutex(self.heap, box[8:32])
        with Mutex(self.heap, self.mutex.offset):
            self.assertFalse(is_free(self.mutex))
        self.assertRaises(ValueError, Mutex, self.heap, box[4:])
        self.assertRaises(ValueError, Mutex, self.heap, box[24:])
        self.assertRaises(ValueError, Mutex, self.heap, memoryview(bytearray(64)))
        self.assertRaises(ValueError, Mutex, self.heap, 0)
        self.assertRaises(ValueError, Mutex, self.heap, 1 << 40)
        with Heap(fixture.HEAP) as other:
            self.assertRaises(ValueError, Mutex, other, box)
        del box

    def test_read_only(self):
        with Heap.open_read_only(fixture.HEAP) as reader:
            mutex = Mutex.named(reader, "mutex")
            self.refused(errno.EROFS, mutex.acquire)
            self.refused(errno.ENOENT, Mutex.named, reader, "other", kind=FileNotFoundError)
            del mutex

    def test_outlives_the_heap(self):
        self.heap.close()
        with self.mutex:
            self.assertFalse(is_free(self.mutex))
        self.heap = fixture.heap()

    def test_exceptions(self):
        with self.assertRaises(KeyError):
            with self.mutex:
                raise KeyError
        self.assertTrue(is_free(self.mutex))


class Conditions(Synchronised):
    def setUp(self):
        super().setUp()
        self.changed = Condition.named(self.heap, "changed", self.mutex)
        self.word = self.heap.construct("word", 1)

    def tearDown(self):
        del self.changed, self.word
        super().tearDown()

    def waiting(self):
        """The threads that wait."""
        return self.heap.find("changed", 8, Condition.TYPE).cast("I")[1]

    def await_value(self, value, timeout=None):
        with self.changed:
            return self.changed.wait_for(lambda: self.word[0] == value, timeout)

    def test_signal(self):
        for notify in (self.changed.notify, self.changed.notify_all):
            thread = threading.Thread(target=self.await_value, args=(1,))
            thread.start()
            while not self.waiting():
                time.sleep(0.001)
            with self.changed:
                self.word[0] = 1
                notify()
            thread.join()
            self.word[0] = 0

    def test_timeout(self):
        with self.changed:
            self.assertFalse(self.changed.wait(0.05))
            # It ends by itself, much earlier.
            self.assertTrue(self.changed.wait(60))
            self.assertFalse(is_free(self.mutex))
        self.assertFalse(self.await_value(1, timeout=0.15))
        self.assertTrue(self.await_value(0, timeout=0))
        self.assertTrue(is_free(self.mutex))

    def test_refusals(self):
        self.refused(errno.EPERM, self.changed.wait, kind=PermissionError)
        self.refused(errno.EPERM, self.changed.wait, 0, kind=PermissionError)

    def test_interrupted(self):
        self.assertRaises(Interrupt, lambda: (interrupt(0.02), self.await_value(1)))
        self.assertTrue(is_free(self.mutex))
        self.assertEqual(self.waiting(), 0)


class Semaphores(Synchronised):
    def setUp(self):
        super().setUp()
        self.permits = Semaphore.named(self.heap, "permits", 2)

    def tearDown(self):
        del self.permits
        super().tearDown()

    def test_permits(self):
        with self.permits:
            self.assertEqual(self.permits.value, 1)
            self.assertTrue(self.permits.acquire(0))
            self.assertFalse(self.permits.acquire(0.02))
            self.permits.release(3)
        self.assertEqual(self.permits.value, 4)
        self.assertEqual(Semaphore.named(self.heap, "permits", 9).value, 4)

    def test_limits(self):
        most = Semaphore.named(self.heap, "most", 2**31 - 1)
        self.refused(errno.EOVERFLOW, most.release)
        self.assertRaises(ValueError, Semaphore.named, self.heap, "more", 2**31)

    def test_interrupted(self):
        """A permit that was taken after the signal came is given back."""
        self.permits.acquire()
        self.permits.acquire()
        later = threading.Timer(0.04, self.permits.release)
        later.start()
        self.assertRaises(Interrupt, lambda: (interrupt(0.01), self.permits.acquire()))
        later.join()
        self.assertEqual(self.permits.value, 1)


class Queues(Synchronised):
    def setUp(self):
        super().setUp()
        self.queue = Queue(self.heap, "queue", CREATE, 2, 10)

    def tearDown(self):
        del self.queue
        super().tearDown()

    def test_messages(self):
        self.queue.send(b"later")
        self.queue.send(bytearray(b"first"), priority=31)
        self.assertEqual(len(self.queue), 2)
        self.assertEqual(self.queue.receive_message(), Message(b"first", 31))
        self.queue.send(memoryview(b""))
        self.assertEqual((self.queue.receive(), self.queue.receive()), (b"later", b""))
        again = Queue(self.heap, "queue")
        self.assertEqual((again.capacity, again.message_size, len(again)), (2, 10, 0))

    def test_timeout(self):
        self.refused(errno.ETIMEDOUT, self.queue.receive, 0, kind=TimeoutError)
        self.refused(errno.ETIMEDOUT, self.queue.receive, 0.15, kind=TimeoutError)
        self.queue.send(b"1")
        self.queue.send(b"2")
        self.refused(errno.ETIMEDOUT, self.queue.send, b"3", 0, 0.02, kind=TimeoutError)

    def test_refusals(self):
        self.refused(errno.EMSGSIZE, self.queue.send, b"01234567890")
        self.assertRaises(ValueError, self.queue.send, b"", 32)
        self.refused(errno.EEXIST, Queue, self.heap, "queue", CREATE, 1, 1, kind=FileExistsError)
        self.refused(errno.ENOENT, Queue, self.heap, "missing", kind=FileNotFoundError)
        self.refused(errno.EPROTOTYPE, Queue, self.heap, "mutex")
        self.refused(errno.EINVAL, Queue, self.heap, "other", BOTH, 0, 1)
        self.assertRaises(ValueError, Queue, self.heap, "other", BOTH, 1, 1 << 25)
        with Heap.open_read_only(fixture.HEAP) as reader:
            self.refused(errno.EROFS, Queue, reader, "queue")

    def test_damaged(self):
        """A size that cannot be leads to no buffer."""
        self.heap.find("queue", type=0x65756575712E7300).cast("I")[2] = 1 << 25
        self.refused(errno.EUCLEAN, self.queue.receive, 0)

    def test_interrupted(self):
        """A message that was received after the signal came is received next."""
        later = threading.Timer(0.04, self.queue.send, (b"text", 3))
        later.start()
        self.assertRaises(Interrupt, lambda: (interrupt(0.01), self.queue.receive()))
        later.join()
        self.assertEqual(self.queue.receive_message(0), Message(b"text", 3))


class Interrupted(Synchronised):
    def test_mutex(self):
        """A mutex that was locked after the signal came is given back."""
        def hold():
            with self.mutex:
                held.set()
                time.sleep(0.04)

        held = threading.Event()
        other = threading.Thread(target=hold)
        other.start()
        held.wait()
        self.assertRaises(Interrupt, lambda: (interrupt(0.01), self.mutex.acquire()))
        other.join()
        self.assertTrue(is_free(self.mutex))

    def test_at_any_moment(self):
        """Whoever gets an exception instead of the mutex does not hold it."""
        interrupted = 0
        for i in range(400):
            acquired = False
            try:
                interrupt(1e-6 * (1 + i % 20))
                acquired = self.mutex.acquire()
                signal.setitimer(signal.ITIMER_REAL, 0)
            except Interrupt:
                interrupted += not acquired
            self.assertEqual(is_free(self.mutex), not acquired)
            if acquired:
                self.mutex.release()
        self.assertGreater(interrupted, 0)

    def test_soon(self):
        def hold():
            with self.mutex:
                held.set()
                go.wait()

        held, go = threading.Event(), threading.Event()
        other = threading.Thread(target=hold)
        other.start()
        held.wait()
        begin = time.monotonic()
        self.assertRaises(Interrupt, lambda: (interrupt(0.01), self.mutex.acquire()))
        self.assertLess(time.monotonic() - begin, 5)
        go.set()
        other.join()


if __name__ == "__main__":
    unittest.main()
