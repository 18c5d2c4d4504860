# SPDX-License-Identifier: MIT
"""Processes that share a heap: those that die, those that fork, and those of multiprocessing."""
import errno
import multiprocessing
import os
import pickle
import signal
import unittest

import fixture
from fixture import CREATE, HEAP, Case, child, dies_with, in_thread, is_free
from shmfs import Condition, Heap, Mutex, NotRecoverable, Object, OwnerDied, Queue, Semaphore


class Deaths(Case):
    """A process is killed while it holds a mutex."""

    def setUp(self):
        super().setUp()
        self.heap = fixture.heap()
        self.mutex = Mutex.named(self.heap, "mutex")
        self.word = self.heap.construct("word", 1)

    def tearDown(self):
        self.assertEqual(self.heap.check(), [])
        self.heap.close()
        del self.mutex, self.word
        super().tearDown()

    def die(self):
        dies_with(self.mutex.acquire)

    def fix(self):
        self.word[0] += 1

    def test_told(self):
        self.die()
        self.refused(errno.EOWNERDEAD, self.mutex.acquire, kind=OwnerDied)
        self.assertFalse(in_thread(self.mutex.acquire, 0))
        # Nobody gives it back by mistake, and whoever asks again is told again.
        self.refused(errno.EOWNERDEAD, self.mutex.release, kind=OwnerDied)
        self.refused(errno.EOWNERDEAD, self.mutex.acquire, kind=OwnerDied)
        self.mutex.consistent()
        self.mutex.release()
        with self.mutex:
            self.assertEqual(self.mutex.deaths, 1)

    def test_repair(self):
        mutex = Mutex(self.heap, self.mutex.offset, repair=self.fix)
        for n in range(1, 3):
            self.die()
            with mutex:
                self.assertEqual((self.word[0], mutex.deaths), (n, n))
        self.assertTrue(in_thread(mutex.acquire, 0))

    def test_repair_fails(self):
        """The thread holds it, and repairs when it tries again."""
        failures = [KeyError]

        def fix():
            if failures:
                raise failures.pop()
            self.fix()

        mutex = Mutex(self.heap, self.mutex.offset, repair=fix)
        self.die()
        self.assertRaises(KeyError, mutex.acquire)
        self.assertFalse(in_thread(mutex.acquire, 0))
        with mutex:
            self.assertEqual(self.word[0], 1)
        self.assertTrue(in_thread(mutex.acquire, 0))

    def test_interrupted_repair(self):
        """An exception when all is repaired: who waited for a signal still holds the mutex."""
        def fix():
            mutex.consistent()

        mutex = Mutex(self.heap, self.mutex.offset, repair=fix)
        self.die()
        self.refused(errno.EINVAL, mutex.acquire)
        self.assertTrue(is_free(self.mutex))
        self.refused(errno.EINVAL, self.waits, mutex)
        self.assertTrue(is_free(self.mutex))

    def test_statement(self):
        """Without a repair the statement is not entered, and the next process is told, too."""
        def enter():
            try:
                with self.mutex:
                    self.word[0] = 9
            except OwnerDied:
                self.fix()

        self.die()
        dies_with(enter)
        self.assertEqual(self.word[0], 1)
        self.assertRaises(OwnerDied, self.mutex.acquire)
        self.assertEqual(self.mutex.deaths, 2)
        self.mutex.consistent()
        self.mutex.release()

    def test_swallowed(self):
        self.die()
        self.assertRaises(OwnerDied, self.mutex.acquire)
        with self.assertRaises(OwnerDied):
            self.mutex.__exit__(None)
        self.mutex.__exit__(OwnerDied)
        self.assertFalse(in_thread(self.mutex.acquire, 0))
        self.mutex.consistent()
        self.mutex.release()

    def test_abandoned(self):
        self.die()
        self.assertRaises(OwnerDied, self.mutex.acquire)
        self.mutex.abandon()
        self.refused(errno.ENOTRECOVERABLE, self.mutex.acquire, kind=NotRecoverable)
        self.assertIsInstance(in_thread(self.attempt), NotRecoverable)

    def attempt(self):
        try:
            return self.mutex.acquire()
        except OSError as error:
            return error

    def waits(self, mutex):
        """Another process dies with the mutex while this one waits."""
        changed = Condition.named(self.heap, "changed", mutex)
        waiters = self.heap.find("changed", 8, Condition.TYPE).cast("I")

        def run(ready):
            ready()
            while not waiters[1]:
                pass
            self.mutex.acquire()
            self.word[0] = 8
            os.kill(os.getpid(), signal.SIGKILL)

        pid = child(run)
        try:
            with changed:
                changed.wait_for(lambda: self.word[0] == 9)
        finally:
            os.waitpid(pid, 0)

    def test_while_waiting(self):
        self.assertRaises(OwnerDied, self.waits, self.mutex)
        self.assertFalse(in_thread(self.mutex.acquire, 0))
        self.mutex.consistent()
        self.mutex.release()

    def test_repair_while_waiting(self):
        self.waits(Mutex(self.heap, self.mutex.offset, repair=self.fix))
        self.assertEqual(self.word[0], 9)
        self.assertTrue(in_thread(self.mutex.acquire, 0))

    def test_transaction(self):
        def change():
            self.transaction = self.heap.transaction()
            self.transaction.__enter__()
            self.transaction.log(self.word)
            self.word[0] = 7
            self.heap.construct("other", 100)

        dies_with(change)
        with self.heap.transaction():
            pass
        self.assertEqual((self.word[0], "other" in self.heap), (0, False))
        self.assertEqual(self.heap.info().deaths, 1)

    def test_sender(self):
        queue = Queue(self.heap, "queue", CREATE, 4, 8)
        dies_with(lambda: queue.send(b"text"))
        self.assertEqual(queue.receive(0), b"text")


class Forks(Case):
    def test_child_attaches(self):
        heap = fixture.heap()
        mutex = Mutex.named(heap, "mutex")
        with mutex:
            def attempt():
                assert heap.info().attachments == 2
                assert not mutex.acquire(0)
                try:
                    mutex.release()
                except PermissionError:
                    return
                os._exit(1)

            dies_with(attempt)
        with mutex:
            self.assertEqual((mutex.deaths, heap.info().attachments), (0, 1))

    def test_kept_messages(self):
        """What a queue keeps after an exception is for its own process."""
        heap = fixture.heap()
        queue = Queue(heap, "queue", CREATE, 4, 8)
        queue._kept.append((os.getpid(), b"kept"))

        def attempt():
            try:
                queue.receive(0)
                os._exit(1)
            except TimeoutError:
                pass

        dies_with(attempt)
        self.assertEqual(queue.receive_message(0), b"kept")


def count(counter_of, mutex, permits, queue):
    """What processes of multiprocessing do: each argument has come by pickling, or by fork."""
    counter = counter_of.find("counter", 8).cast("Q")
    for _ in range(100):
        with mutex:
            counter[0] += 1
    permits.acquire()
    queue.send(b"done")


class Multiprocessing(Case):
    def processes(self, method):
        context = multiprocessing.get_context(method)
        with fixture.heap() as heap:
            counter = heap.construct("counter", 8).cast("Q")
            mutex = Mutex.named(heap, "mutex")
            permits = Semaphore.named(heap, "permits", 2)
            queue = Queue(heap, "queue", CREATE, 1, 8)
            workers = [context.Process(target=count, args=(heap, mutex, permits, queue))
                       for _ in range(2)]
            for worker in workers:
                worker.start()
            for worker in workers:
                self.assertEqual(queue.receive(), b"done")
                worker.join()
            self.assertEqual([worker.exitcode for worker in workers], [0, 0])
            for worker in workers:
                worker.close()
            self.assertEqual((counter[0], permits.value), (200, 0))

    def test_fork(self):
        self.processes("fork")

    def test_spawn(self):
        self.processes("spawn")

    def test_arguments(self):
        with Object("object", CREATE) as made:
            self.assertEqual(pickle.loads(pickle.dumps(made)).name, "object")
        Object.remove("object")
        with fixture.heap() as heap:
            heap.construct("name", data=b"text")
            mutex = Mutex.named(heap, "mutex")
            changed = Condition.named(heap, "changed", mutex)
            again = pickle.loads(pickle.dumps((heap, changed, mutex)))
            self.assertEqual(bytes(again[0].find("name")), b"text")
            self.assertIs(again[1].mutex, again[2])
            self.assertEqual(heap.info().attachments, 2)
            reader = pickle.loads(pickle.dumps(Heap.open_read_only(HEAP)))
            self.refused(errno.EROFS, reader.destroy, "name")
            del again


if __name__ == "__main__":
    unittest.main()
