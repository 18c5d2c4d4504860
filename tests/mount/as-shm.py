# SPDX-License-Identifier: MIT
# All of Python's multiprocessing that lives in /dev/shm, with each way to start processes.
import multiprocessing
import os
import sys
from multiprocessing import managers, shared_memory


def work(lock, rlock, semaphore, event, condition, barrier, queue, value, array):
    with semaphore, rlock, rlock, lock:
        value.value += 1
        array[0] += 1
    barrier.wait(30)
    assert event.wait(30)
    with condition:
        queue.put(os.getpid())
        condition.notify()


def square(x):
    return x * x


def fill(name):
    memory = shared_memory.SharedMemory(name=name)
    memory.buf[0] = 42
    memory.close()


def synchronize(context):
    lock = context.Lock()
    event, condition = context.Event(), context.Condition()
    barrier, queue = context.Barrier(3), context.Queue()
    value, array = context.Value("i", 0), context.Array("d", 4)
    args = (lock, context.RLock(), context.Semaphore(2), event, condition, barrier, queue,
            value, array)
    workers = [context.Process(target=work, args=args) for _ in range(2)]
    with condition:
        for worker in workers:
            worker.start()
        barrier.wait(30)
        event.set()
        assert condition.wait(30)
    assert {queue.get(timeout=30) for _ in workers} == {w.pid for w in workers}
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert value.value == 2 and array[0] == 2
    with lock:
        assert not lock.acquire(timeout=0.01)
    bounded = context.BoundedSemaphore(1)
    try:
        bounded.release()
        assert False
    except ValueError:
        pass


def exchange(context):
    with context.Pool(2) as pool:
        assert pool.map(square, range(20)) == [square(x) for x in range(20)]
    queue = context.JoinableQueue()
    queue.put("text")
    assert queue.get() == "text"
    queue.task_done()
    queue.join()
    with context.Manager() as manager:
        shared = manager.dict()
        with manager.Lock():
            shared["a"] = manager.list([1])
        assert shared["a"][0] == 1


def share(context):
    memory = shared_memory.SharedMemory(create=True, size=10000)
    other = context.Process(target=fill, args=(memory.name,))
    other.start()
    other.join()
    assert memory.buf[0] == 42
    memory.close()
    memory.unlink()
    with managers.SharedMemoryManager() as manager:
        numbers = manager.ShareableList(range(10))
        again = shared_memory.ShareableList(name=numbers.shm.name)
        again[3] = 7
        assert list(numbers) == [0, 1, 2, 7, 4, 5, 6, 7, 8, 9]
        again.shm.close()
        numbers.shm.close()


if __name__ == "__main__":
    for method in sys.argv[1:]:
        ways = multiprocessing.get_context(method)
        synchronize(ways)
        exchange(ways)
        share(ways)
