# SPDX-License-Identifier: MIT
"""Objects, segments and regions in Python."""
import errno
import gc
import mmap
import os
import unittest
from multiprocessing import shared_memory

from fixture import BOTH, CREATE, OPEN, Case
from shmfs import Advice, Mode, Object, Region, Segment


class Objects(Case):
    def setUp(self):
        super().setUp()
        self.object = Object("/object", CREATE, perm=0o600)
        self.addCleanup(self.object.close)

    def tearDown(self):
        self.object.close()
        Object.remove("object")
        super().tearDown()

    def test_names(self):
        self.assertEqual((self.object.name, Object.names()), ("object", ["object"]))
        self.assertEqual(os.stat("/dev/shm/object").st_mode & 0o777, 0o600)
        self.refused(errno.EEXIST, Object, "object", CREATE, kind=FileExistsError)
        self.refused(errno.ENOENT, Object, "missing", kind=FileNotFoundError)
        self.refused(errno.ENOENT, Object.remove, "missing", kind=FileNotFoundError)
        self.refused(errno.EINVAL, Object, "a/b", BOTH)
        self.refused(errno.ENAMETOOLONG, Object, "x" * 256, BOTH)
        self.assertRaises(ValueError, Object, "a\0b", BOTH)

    def test_names_that_are_no_text(self):
        with Object(b"\xff", CREATE) as other:
            self.assertEqual(other.name, "\udcff")
        Object.remove("\udcff")

    def test_size(self):
        self.object.truncate(10)
        self.assertEqual(self.object.size, 10)
        self.object.reserve(5000)
        self.assertEqual(self.object.size, 5000)
        self.refused(errno.EINVAL, self.object.reserve, 0)
        self.assertRaises(OverflowError, self.object.truncate, -1)
        self.assertRaises(OverflowError, self.object.truncate, 1 << 64)
        with Object("object", mode=Mode.READ_ONLY) as reader:
            self.assertEqual(reader.mode, Mode.READ_ONLY)
            self.refused(errno.EBADF, reader.truncate, 1)

    def test_regions(self):
        self.refused(errno.ENXIO, self.object.map)
        self.object.truncate(10000)
        with self.object.map(offset=5000) as late, self.object.map() as whole:
            self.assertEqual((late.size, whole.size), (5000, 10000))
            late.view[:5] = b"hello"
            self.assertEqual(bytes(whole.view[5000:5005]), b"hello")
            self.assertEqual(whole.page_size, mmap.PAGESIZE)
            whole.advise(Advice.SEQUENTIAL)
        self.refused(errno.ENXIO, self.object.map, offset=10000)
        self.refused(errno.ENXIO, self.object.map, size=10001)

    def test_modes(self):
        self.object.truncate(1)
        with Object("object", mode=Mode.READ_ONLY) as reader:
            self.refused(errno.EACCES, reader.map, Mode.READ_WRITE, kind=PermissionError)
            private = reader.map(Mode.COPY_ON_WRITE)
            view = reader.map().view
        private.view[0] = 7
        self.assertEqual((view[0], private.view[0]), (0, 7))
        self.assertTrue(view.readonly)
        with self.assertRaises(TypeError):
            view[0] = 1

    def test_views_keep_the_memory(self):
        self.object.truncate(4096)
        region = self.object.map()
        part = region.view[100:200].cast("I")
        region.close()
        region.close()
        self.assertTrue(region.closed)
        self.assertRaises(ValueError, lambda: region.view)
        gc.collect()
        part[3] = 42
        self.assertEqual(part[3], 42)
        self.assertEqual(self.shared(), 1)
        del part
        self.assertEqual(self.shared(), 0)

    @staticmethod
    def shared():
        """The mappings of objects. Those that were made without a name have none there."""
        with open("/proc/self/maps", encoding="utf-8") as maps:
            return sum("/dev/shm/" in line for line in maps)

    def test_closed(self):
        self.object.close()
        self.assertRaises(ValueError, self.object.truncate, 1)
        self.assertRaises(ValueError, lambda: self.object.size)

    def test_descriptor(self):
        self.object.truncate(3)
        self.assertEqual(os.fstat(self.object.fileno()).st_size, 3)

    def test_others(self):
        """What multiprocessing makes is an object as well."""
        other = shared_memory.SharedMemory("other", create=True, size=100)
        with Object("other") as mine, mine.map() as region:
            region.view[99] = 5
        self.assertEqual(other.buf[99], 5)
        other.close()
        other.unlink()


class Regions(Case):
    def test_file(self):
        fd = os.memfd_create("region")
        os.ftruncate(fd, 4096)
        with Region.file(fd) as region, Region.file(fd, Mode.READ_ONLY, 4000, 96) as part:
            region.view[4095] = 1
            self.assertEqual((part.view[95], part.mode), (1, Mode.READ_ONLY))
            region.flush()
            region.flush(1, 2, wait=False)
            self.refused(errno.EINVAL, region.flush, 4096, 1)
        os.close(fd)
        self.refused(errno.EBADF, Region.file, fd)

    def test_no_file(self):
        reader, writer = os.pipe()
        self.refused(errno.ENODEV, Region.file, reader, Mode.READ_ONLY, 0, 1)
        os.close(reader)
        os.close(writer)

    def test_anonymous(self):
        region = Region.anonymous(1)
        if os.fork() == 0:
            region.view[0] = 9
            os._exit(0)
        os.wait()
        self.assertEqual(region.view[0], 9)
        self.refused(errno.EINVAL, Region.anonymous, 0)


class Segments(Case):
    def tearDown(self):
        for identifier, _ in Segment.ids():
            Segment.remove(identifier)
        self.assertEqual(Segment.ids(), [])
        super().tearDown()

    def test_life(self):
        key = Segment.key_of("/", 7)
        made = Segment(key, CREATE, 100, 0o600)
        self.assertEqual((made.size, made.key, made.permissions), (100, key, 0o600))
        self.assertEqual(Segment.ids(), [(made.id, key)])
        made.permissions = 0o640
        with Segment.open_id(made.id) as again, again.map() as region:
            self.assertEqual(again.permissions, 0o640)
            view = region.view
        Segment.remove(made.id)
        view[99] = 3
        self.refused(errno.ENOENT, Segment, key, kind=FileNotFoundError)
        with Segment.open_id(made.id) as removed:
            self.assertEqual((removed.key, removed.map(Mode.READ_ONLY).view[99]),
                             (Segment.PRIVATE, 3))
        identifier = made.id
        del view
        self.refused(errno.EINVAL, Segment.remove, identifier)

    def test_refusals(self):
        made = Segment(1234, BOTH, 100)
        self.refused(errno.EEXIST, Segment, 1234, CREATE, 1, kind=FileExistsError)
        self.refused(errno.EINVAL, Segment, 1234, OPEN, 101)
        self.refused(errno.EINVAL, made.map, Mode.COPY_ON_WRITE)
        self.refused(errno.ENOENT, Segment.key_of, "/nonexistent", 1, kind=FileNotFoundError)
        self.assertRaises(ValueError, Segment.key_of, "/", 256)
        self.assertRaises(OverflowError, Segment, 1 << 31, BOTH, 1)


if __name__ == "__main__":
    unittest.main()
