# SPDX-License-Identifier: MIT
"""Heaps in Python: names, allocations, transactions, and what is refused."""
import errno
import gc
import os
import pickle
import unittest

import fixture
from fixture import BOTH, CREATE, HEAP, OPEN, Case
from shmfs import Damaged, Heap, HeapName, Mode, Object


class Life(Case):
    def test_open(self):
        self.refused(errno.ENOENT, Heap, HEAP, kind=FileNotFoundError)
        with Heap(HEAP, CREATE, size=100000, limit=1 << 20, perm=0o600) as heap:
            self.assertEqual((heap.info().size, heap.info().limit), (102400, 1 << 20))
            self.refused(errno.EEXIST, Heap, HEAP, CREATE, kind=FileExistsError)
            self.assertEqual(os.stat("/dev/shm/" + HEAP).st_mode & 0o777, 0o600)
        self.assertTrue(heap.closed)
        self.assertRaises(ValueError, heap.info)
        self.refused(errno.EINVAL, Heap, "other", CREATE, size=100, limit=1)
        self.refused(errno.EFBIG, Heap, "other", CREATE, size=1 << 40)
        self.assertRaises(OverflowError, Heap, "other", CREATE, size=(1 << 64) + 1)
        self.assertRaises(OverflowError, Heap.open_fd, 1 << 32)

    def test_no_heap(self):
        with Object("other", CREATE) as other:
            other.truncate(100000)
            self.refused(errno.EINVAL, Heap, "other")
        Object.remove("other")

    def test_read_only(self):
        with fixture.heap() as heap, Heap.open_read_only(HEAP) as reader:
            heap.construct("name", data=b"text")
            self.assertEqual(bytes(reader.find("name")), b"text")
            self.assertTrue(reader.find("name", 4).readonly)
            self.assertTrue(reader.root.readonly)
            self.refused(errno.EROFS, reader.construct, "other", 1)
            self.refused(errno.EROFS, reader.transaction().__enter__)
            self.refused(errno.EROFS, reader.grow, 1 << 20)

    def test_descriptors(self):
        fd = os.memfd_create(HEAP)
        heap = Heap.create_fd(fd, limit=1 << 20)
        heap.construct("name", data=b"text")
        self.refused(errno.EEXIST, Heap.create_fd, fd, kind=FileExistsError)
        again, reader = Heap.open_fd(fd), Heap.open_fd(fd, Mode.READ_ONLY)
        os.close(fd)
        self.assertEqual(bytes(again.find("name")), b"text")
        self.assertEqual((again.mode, reader.mode), (Mode.READ_WRITE, Mode.READ_ONLY))
        self.refused(errno.EROFS, reader.destroy, "name")
        self.assertRaises(TypeError, pickle.dumps, heap)
        self.refused(errno.EBADF, Heap.open_fd, -1, Mode.READ_ONLY)

    def test_views_keep_the_attachment(self):
        heap = fixture.heap()
        view = heap.construct("name", 16)[8:]
        attachments = heap.info().attachments
        heap.close()
        gc.collect()
        view[7] = 5
        with fixture.heap() as again:
            self.assertEqual(again.find("name")[15], 5)
            self.assertEqual(again.info().attachments, attachments + 1)
            del view
            self.assertEqual(again.info().attachments, attachments)

    def test_grow(self):
        with Heap(HEAP, CREATE, limit=1 << 20) as heap:
            heap.grow(500000)
            self.assertGreaterEqual(heap.info().size, 500000)
            heap.trim()
            self.assertLess(heap.info().size, 100000)
            self.refused(errno.ENOSPC, heap.grow, 1 << 21)


class Names(Case):
    def setUp(self):
        super().setUp()
        self.heap = fixture.heap()

    def tearDown(self):
        self.assertEqual(self.heap.check(), [])
        self.heap.close()
        super().tearDown()

    def test_construct(self):
        made = self.heap.construct("name", 8, type=3)
        self.assertEqual(bytes(made), bytes(8))
        made[0] = 1
        for size in (8, None):
            self.assertEqual(self.heap.find("name", size, type=3)[0], 1)
        self.assertEqual(self.heap.find_or_construct("name", 8, type=3)[0], 1)
        self.assertEqual(bytes(self.heap.find_or_construct("other", data=b"text")), b"text")
        self.assertIn("name", self.heap)
        self.assertEqual(sorted(self.heap), [
            HeapName("name", 3, 8, self.heap.offset(made)),
            HeapName("other", 0, 4, self.heap.offset(self.heap.find("other")))])
        self.heap.destroy("name")
        self.assertNotIn("name", self.heap)

    def test_refusals(self):
        self.heap.construct("name", 8, type=3)
        self.heap.construct("empty")
        self.refused(errno.EEXIST, self.heap.construct, "name", 1, kind=FileExistsError)
        for size in (8, None):
            self.refused(errno.EPROTOTYPE, self.heap.find, "name", size)
            self.refused(errno.ENOENT, self.heap.find, "missing", size, kind=FileNotFoundError)
        for size in (9, 0):
            self.refused(errno.EMSGSIZE, self.heap.find, "name", size, type=3)
        self.assertEqual(len(self.heap.find("empty")), 0)
        self.refused(errno.ENOENT, self.heap.destroy, "missing", kind=FileNotFoundError)
        self.refused(errno.EINVAL, self.heap.construct, "", 1)
        self.refused(errno.ENAMETOOLONG, self.heap.construct, "x" * 256, 1)
        self.refused(errno.ENOSPC, self.heap.construct, "large", 1 << 30)
        self.assertRaises(ValueError, self.heap.construct, "short", 5, data=b"text")
        self.assertRaises(OverflowError, self.heap.construct, "less", -1)
        self.assertRaises(OverflowError, self.heap.construct, "more", 1 << 64)
        self.assertRaises(OverflowError, self.heap.construct, "type", 1, type=1 << 64)
        self.assertRaises(TypeError, self.heap.construct, 5, 1)

    def test_bytes(self):
        self.heap.construct(b"\xff", 1)
        self.assertEqual([name.name for name in self.heap], ["\udcff"])
        self.heap.destroy("\udcff")

    def test_many(self):
        for i in range(300):
            self.heap.construct(str(i), 8).cast("Q")[0] = i
        self.assertEqual({name.name for name in self.heap}, {str(i) for i in range(300)})
        self.assertEqual(self.heap.find("299").cast("Q")[0], 299)


class Allocations(Names):
    def test_alloc(self):
        memory = self.heap.alloc(100, self.heap.root, align=4096)
        offset = self.heap.root[0]
        self.assertEqual((self.heap.offset(memory), offset % 4096, len(memory)), (offset, 0, 100))
        self.refused(errno.EEXIST, self.heap.alloc, 1, self.heap.root, kind=FileExistsError)
        memory[0] = 8
        self.assertEqual(self.heap.at(offset)[0], 8)
        self.assertEqual(len(self.heap.resize(offset, 50)), 50)
        self.assertLess(self.heap.size_of(offset), 100)
        inner = self.heap.alloc(10, self.heap.at(offset + 8, 8))
        inner[0] = 1
        self.heap.free(offset + 8)
        self.heap.free(self.heap.root)
        self.assertEqual(self.heap.root[0], 0)
        self.heap.free(self.heap.root)
        self.refused(errno.EINVAL, self.heap.size_of, offset + 8)

    def test_places(self):
        elsewhere = memoryview(bytearray(8))
        self.refused(errno.EFAULT, self.heap.alloc, 1, elsewhere)
        self.refused(errno.EFAULT, self.heap.free, elsewhere)
        self.assertRaises(ValueError, self.heap.offset, elsewhere)
        self.assertRaises(ValueError, self.heap.alloc, 1, elsewhere[:7])
        self.assertRaises(ValueError, self.heap.at, 0, 1)
        self.assertRaises(ValueError, self.heap.at, 1 << 63, 1)
        self.assertRaises(ValueError, self.heap.at, 65536, 1)
        self.assertRaises(TypeError, self.heap.offset, memoryview(b"text"))
        self.refused(errno.EINVAL, self.heap.alloc, 1, self.heap.root, align=3)
        self.refused(errno.EINVAL, self.heap.resize, 24, 1)
        self.refused(errno.ENOSPC, self.heap.alloc, 1 << 30, self.heap.root)


class Transactions(Names):
    def test_commit(self):
        memory = self.heap.construct("name", 8)
        with self.heap.transaction() as transaction:
            transaction.log(memory)
            memory[0] = 1
            self.heap.construct("other", 1)
            self.refused(errno.EBUSY, self.heap.trim)
        self.assertEqual((memory[0], "other" in self.heap), (1, True))

    def test_abort(self):
        memory = self.heap.construct("name", 8)
        with self.assertRaises(KeyError):
            with self.heap.transaction() as transaction:
                transaction.log(memory[4:])
                memory[7] = 1
                self.heap.construct("other", 1)
                self.heap.alloc(10, self.heap.root)
                raise KeyError
        self.assertEqual((memory[7], "other" in self.heap, self.heap.root[0]), (0, False, 0))

    def test_nested(self):
        with self.heap.transaction():
            with self.heap.transaction():
                self.heap.construct("one", 1)
            self.heap.construct("two", 1)
        with self.assertRaises(KeyError):
            with self.heap.transaction():
                self.heap.destroy("one")
                with self.heap.transaction():
                    raise KeyError
        with self.assertRaises(PermissionError):
            with self.heap.transaction():
                self.heap.destroy("two")
                try:
                    with self.heap.transaction():
                        raise KeyError
                except KeyError:
                    pass
        self.assertEqual(sorted(name.name for name in self.heap), ["one", "two"])

    def test_refusals(self):
        memory = self.heap.construct("large", 60000)
        transaction = self.heap.transaction()
        self.refused(errno.EPERM, transaction.log, memory, kind=PermissionError)
        with transaction:
            self.refused(errno.E2BIG, transaction.log, memory)
            self.refused(errno.EFAULT, transaction.log, memoryview(bytearray(8)))

    def test_interrupted(self):
        """A thread has no lock after an exception while it began."""
        transaction = self.heap.transaction()
        transaction.__enter__()
        transaction._begun(0, True)
        self.assertTrue(fixture.in_thread(self.heap.construct, "one", 1))

    def test_aborted(self):
        """It is over when it is aborted, and can be had again."""
        transaction = self.heap.transaction()
        for _ in range(2):
            with transaction:
                self.heap.construct("one", 1)
                self.assertRaises(ValueError, transaction.__enter__)
                transaction.abort()
                self.assertTrue(fixture.in_thread(self.heap.construct, "two", 1))
                transaction.abort()
            self.assertNotIn("one", self.heap)
            self.heap.destroy("two")
        transaction.abort()


class Hostile(Case):
    def test_damage(self):
        """Each byte of the header in turn is another one: errors, but no crash."""
        with fixture.heap() as heap:
            heap.construct("name", data=b"text")
            heap.alloc(10, heap.root)
        with open("/dev/shm/" + HEAP, "rb") as file:
            good = file.read()
        self.assertFalse(any(map(self.use, [good])))
        found = {kind for at in range(0, 1200) for kind in [self.use(
            good[:at] + bytes([good[at] ^ 0xA5]) + good[at + 1:])]}
        self.assertIn(Damaged, found)

    @staticmethod
    def use(contents):
        """The type of the exception that reading a heap raises."""
        fd = os.memfd_create("damaged")
        os.write(fd, contents)
        try:
            with Heap.open_fd(fd, Mode.READ_ONLY) as heap:
                heap.check()
                for name in heap:
                    bytes(heap.find(name.name, name.size, name.type))
                if heap.root[0]:
                    bytes(heap.at(heap.root[0]))
                heap.info()
        except (OSError, ValueError) as error:
            return type(error)
        finally:
            os.close(fd)
        return None


if __name__ == "__main__":
    unittest.main()
