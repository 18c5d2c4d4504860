// SPDX-License-Identifier: MIT
//
// Heaps and what lies in them, beside Boost.Interprocess, in one run: an operation is
// timed with libshmfs and with the other library by turns, and the ratio of the medians
// counts. A machine that is busy with something else makes the ratios of two processes
// uncertain.
//
// usage: bench-heap [-b] [OPERATION...]	-b: exit 1 where a ratio is below its bar
//
// To be run in namespaces of its own, as contrib/bench/run --kind heap does.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <string>
#include <vector>

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <boost/interprocess/ipc/message_queue.hpp>
#include <boost/interprocess/managed_shared_memory.hpp>
#include <boost/interprocess/sync/interprocess_condition.hpp>
#include <boost/interprocess/sync/interprocess_mutex.hpp>
#include <boost/interprocess/sync/interprocess_upgradable_mutex.hpp>
#include <boost/interprocess/sync/scoped_lock.hpp>
#include <boost/lockfree/spsc_queue.hpp>

#include <shmfs/shmfs.h>

namespace bip = boost::interprocess;

namespace
{

constexpr int ROUNDS = 7;
constexpr int PLACES = 1024;
constexpr int NAMES = 10000;
constexpr size_t SIZE = size_t(64) << 20;
constexpr int MESSAGES = 100;

struct message {
	char data[64];
};

using lockfree =
	boost::lockfree::spsc_queue<message, boost::lockfree::capacity<MESSAGES>>;

struct ours_shared {
	alignas(64) shmfs_rwlock lock;
	alignas(64) shmfs_barrier barrier;
	shmfs_mutex mutex;
	shmfs_condition changed;
	long turn, count;
	shmfs_offset_t place[PLACES];
};

struct theirs_shared {
	bip::interprocess_mutex mutex;
	bip::interprocess_condition changed;
	bip::interprocess_upgradable_mutex lock;
	long turn = 0, count = 0;
};

shmfs_heap *heap;
ours_shared *ours;
shmfs_queue *our_queue[2];
shmfs_ring *our_ring[2];

bip::managed_shared_memory *segment;
theirs_shared *theirs;
bip::message_queue *their_queue[2];
lockfree *their_ring;
void *their_place[PLACES];

// What POSIX has, shared by processes.
struct posix_shared {
	pthread_mutex_t mutex;
	pthread_rwlock_t lock;
	pthread_barrier_t barrier;
};

posix_shared *posix;

using work = std::function<void(long n)>;

struct operation {
	const char *name;
	double bar;
	long n;
	bool processor; // time of the processor, of one process; else of the clock
	work with_ours, with_theirs;
};

void check(int r)
{
	if (r >= 0)
		return;
	std::fprintf(stderr, "bench-heap: %s\n", std::strerror(-r));
	std::exit(1);
}

// Runs @fn in two processes at once; which of them it is: 0 or 1.
void in_two(const std::function<void(int which)> &fn)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fn(1);
		_exit(0);
	}
	fn(0);
	waitpid(pid, nullptr, 0);
}

void our_ping_pong(long n)
{
	ours->turn = 0;
	in_two([n](int which) {
		for (long i = 0; i < n; i++) {
			shmfs_mutex_lock(heap, &ours->mutex);
			while (ours->turn != which)
				shmfs_condition_wait(heap, &ours->changed, &ours->mutex);
			ours->turn = !which;
			shmfs_condition_signal(heap, &ours->changed);
			shmfs_mutex_unlock(heap, &ours->mutex);
		}
	});
}

void their_ping_pong(long n)
{
	theirs->turn = 0;
	in_two([n](int which) {
		for (long i = 0; i < n; i++) {
			bip::scoped_lock<bip::interprocess_mutex> held(theirs->mutex);

			while (theirs->turn != which)
				theirs->changed.wait(held);
			theirs->turn = !which;
			theirs->changed.notify_one();
		}
	});
}

void our_send(int queue)
{
	char message[64] = "";

	shmfs_queue_send(heap, our_queue[queue], message, sizeof(message), 0);
}

void our_receive(int queue)
{
	char message[64];

	shmfs_queue_receive(heap, our_queue[queue], message, sizeof(message), nullptr,
			    nullptr);
}

void their_send(int queue)
{
	char message[64] = "";

	their_queue[queue]->send(message, sizeof(message), 0);
}

void their_receive(int queue)
{
	bip::message_queue::size_type size;
	unsigned int priority;
	char message[64];

	their_queue[queue]->receive(message, sizeof(message), size, priority);
}

void ring_send(int ring)
{
	message m = {};

	check(shmfs_ring_send(heap, our_ring[ring], &m, sizeof(m)));
}

void ring_receive(int ring)
{
	message m;

	check(shmfs_ring_receive(heap, our_ring[ring], &m, sizeof(m), nullptr));
}

// The other operations have the sides in different processes.
void ring_alone(long n)
{
	for (long i = 0; i < n; i++) {
		ring_send(0);
		ring_receive(0);
	}
	shmfs_ring_leave(heap, our_ring[0]);
}

// Nothing wakes who waits: it lets others run, and looks again.
void lockfree_send(int)
{
	message m = {};

	while (!their_ring->push(m))
		sched_yield();
}

void lockfree_receive(int)
{
	message m;

	while (!their_ring->pop(m))
		sched_yield();
}

using message_fn = void (*)(int queue);

work queue_alone(message_fn send, message_fn receive)
{
	return [=](long n) {
		for (long i = 0; i < n; i++) {
			send(0);
			receive(0);
		}
	};
}

work queue_ping_pong(message_fn send, message_fn receive)
{
	return [=](long n) {
		in_two([=](int which) {
			for (long i = 0; i < n; i++) {
				if (which)
					receive(0);
				send(which);
				if (!which)
					receive(1);
			}
		});
	};
}

work queue_stream(message_fn send, message_fn receive)
{
	return [=](long n) {
		in_two([=](int which) {
			for (long i = 0; i < n; i++)
				(which ? receive : send)(0);
		});
	};
}

// @fn for each of @n.
template <typename F> work each(F fn)
{
	return [fn](long n) {
		for (long i = 0; i < n; i++)
			fn(i);
	};
}

// Likewise in two processes, half of them in each.
template <typename F> work each_in_two(F fn)
{
	return [fn](long n) {
		in_two([&](int) {
			for (long i = 0; i < n / 2; i++)
				fn(i);
		});
	};
}

int any_place(long i)
{
	return int(unsigned(i) * 2654435761u >> 22);
}

size_t any_size(long i)
{
	return 64 + (unsigned(i) * 2246822519u >> 8) % 4033;
}

std::string name_of(long i)
{
	return "name-" + std::to_string(i * 7919 % NAMES);
}

std::vector<operation> heap_operations()
{
	return {
		{ "alloc-free-64", 1.3, 200000, true, each([](long) {
			  shmfs_heap_alloc(heap, 64, 16, ours->place);
			  shmfs_heap_free(heap, ours->place);
		  }),
		  each([](long) { segment->deallocate(segment->allocate(64)); }) },
		{ "alloc-free-random", 3, 100000, true, each([](long i) {
			  shmfs_offset_t *place = &ours->place[any_place(i)];

			  shmfs_heap_free(heap, place);
			  shmfs_heap_alloc(heap, any_size(i), 16, place);
		  }),
		  each([](long i) {
			  void **place = &their_place[any_place(i)];

			  if (*place)
				  segment->deallocate(*place);
			  *place = segment->allocate(any_size(i));
		  }) },
		{ "alloc-free-two", 1.5, 200000, false, each_in_two([](long) {
			  shmfs_offset_t *place = &ours->place[getpid() % PLACES];

			  shmfs_heap_free(heap, place);
			  shmfs_heap_alloc(heap, 64, 16, place);
		  }),
		  each_in_two([](long) { segment->deallocate(segment->allocate(64)); }) },
		{ "construct-destroy", 5, 50000, true, each([](long) {
			  void *object;

			  shmfs_heap_construct(heap, "one", 1, 8, nullptr, &object);
			  shmfs_heap_destroy(heap, "one");
		  }),
		  each([](long) {
			  segment->construct<long>("one")(0);
			  segment->destroy<long>("one");
		  }) },
		{ "find", 2, 50000, true, each([](long i) {
			  void *object;

			  shmfs_heap_find(heap, name_of(i).c_str(), 1, 8, &object);
		  }),
		  each([](long i) { segment->find<long>(name_of(i).c_str()); }) },
	};
}

void our_share(long)
{
	shmfs_rwlock_lock_shared(heap, &ours->lock);
	shmfs_rwlock_unlock(heap, &ours->lock);
}

void their_share(long)
{
	theirs->lock.lock_sharable();
	theirs->lock.unlock_sharable();
}

void posix_share(long)
{
	pthread_rwlock_rdlock(&posix->lock);
	pthread_rwlock_unlock(&posix->lock);
}

void our_write(long)
{
	shmfs_rwlock_lock_exclusive(heap, &ours->lock);
	ours->count++;
	shmfs_rwlock_unlock(heap, &ours->lock);
}

void their_write(long)
{
	theirs->lock.lock();
	theirs->count++;
	theirs->lock.unlock();
}

void posix_write(long)
{
	pthread_rwlock_wrlock(&posix->lock);
	ours->count++;
	pthread_rwlock_unlock(&posix->lock);
}

// One write to 31 reads.
template <typename R, typename W> work each_mixed_in_two(R share, W write)
{
	return each_in_two([=](long i) {
		if (i % 32)
			share(i);
		else
			write(i);
	});
}

std::vector<operation> lock_operations()
{
	return {
		{ "rwlock-shared", 1.3, 1000000, true, each(our_share),
		  each(their_share) },
		{ "rwlock-shared-posix", 0.5, 1000000, true, each(our_share),
		  each(posix_share) },
		{ "rwlock-shared-two", 1.3, 1000000, false, each_in_two(our_share),
		  each_in_two(their_share) },
		{ "rwlock-write", 1.1, 1000000, true, each(our_write),
		  each(their_write) },
		{ "rwlock-write-posix", 0.5, 1000000, true, each(our_write),
		  each(posix_write) },
		{ "rwlock-upgrade", 1.3, 500000, true, each([](long) {
			  shmfs_rwlock_lock_upgradable(heap, &ours->lock);
			  shmfs_rwlock_upgrade(heap, &ours->lock);
			  shmfs_rwlock_unlock(heap, &ours->lock);
		  }),
		  each([](long) {
			  theirs->lock.lock_upgradable();
			  theirs->lock.unlock_upgradable_and_lock();
			  theirs->lock.unlock();
		  }) },
		{ "rwlock-mixed-two", 1.2, 200000, false,
		  each_mixed_in_two(our_share, our_write),
		  each_mixed_in_two(their_share, their_write) },
		{ "barrier-posix", 0.4, 6000, false,
		  each_in_two([](long) { shmfs_barrier_wait(heap, &ours->barrier); }),
		  each_in_two([](long) { pthread_barrier_wait(&posix->barrier); }) },
	};
}

std::vector<operation> sync_operations()
{
	const work our_lock = each([](long) {
		shmfs_mutex_lock(heap, &ours->mutex);
		shmfs_mutex_unlock(heap, &ours->mutex);
	});

	return {
		{ "mutex-pthread", 1, 1000000, true, our_lock, each([](long) {
			  pthread_mutex_lock(&posix->mutex);
			  pthread_mutex_unlock(&posix->mutex);
		  }) },
		{ "mutex-two", 1, 2000000, false, each_in_two([](long) {
			  shmfs_mutex_lock(heap, &ours->mutex);
			  ours->count++;
			  shmfs_mutex_unlock(heap, &ours->mutex);
		  }),
		  each_in_two([](long) {
			  theirs->mutex.lock();
			  theirs->count++;
			  theirs->mutex.unlock();
		  }) },
		{ "condition-ping-pong", 1.4, 3000, false, our_ping_pong,
		  their_ping_pong },
		{ "queue-ping-pong", 1.8, 3000, false,
		  queue_ping_pong(our_send, our_receive),
		  queue_ping_pong(their_send, their_receive) },
		{ "queue-alone", 1, 200000, true, queue_alone(our_send, our_receive),
		  queue_alone(their_send, their_receive) },
		{ "queue-stream", 1, 200000, false, queue_stream(our_send, our_receive),
		  queue_stream(their_send, their_receive) },
		{ "ring-ping-pong", 1, 3000, false,
		  queue_ping_pong(ring_send, ring_receive),
		  queue_ping_pong(their_send, their_receive) },
		{ "ring-alone", 0.9, 500000, true, ring_alone,
		  queue_alone(their_send, their_receive) },
		{ "ring-stream", 1, 500000, false, queue_stream(ring_send, ring_receive),
		  queue_stream(their_send, their_receive) },
		{ "ring-lockfree", 0.3, 500000, false,
		  queue_stream(ring_send, ring_receive),
		  queue_stream(lockfree_send, lockfree_receive) },
	};
}

void set_up_posix()
{
	pthread_mutexattr_t mutex;
	pthread_rwlockattr_t lock;
	pthread_barrierattr_t barrier;

	pthread_mutexattr_init(&mutex);
	pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&posix->mutex, &mutex);
	pthread_rwlockattr_init(&lock);
	pthread_rwlockattr_setpshared(&lock, PTHREAD_PROCESS_SHARED);
	pthread_rwlock_init(&posix->lock, &lock);
	pthread_barrierattr_init(&barrier);
	pthread_barrierattr_setpshared(&barrier, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&posix->barrier, &barrier, 2);
}

// Removed by the end of the namespace.
void set_up()
{
	const shmfs_heap_options size = { SIZE / 16, SIZE, 0 };
	const shmfs_queue_options messages = { MESSAGES, sizeof(message) };
	const shmfs_ring_options in_ring = { MESSAGES, sizeof(message) };
	void *object;

	check(shmfs_heap_open("bench", SHMFS_CREATE_ONLY, &size, &heap));
	check(shmfs_heap_alloc(heap, sizeof(*ours), 64, shmfs_heap_root(heap)));
	ours = static_cast<ours_shared *>(
		shmfs_heap_at(heap, *shmfs_heap_root(heap), sizeof(*ours)));
	std::memset(static_cast<void *>(ours), 0, sizeof(*ours));
	segment = new bip::managed_shared_memory(bip::create_only, "bench-boost", SIZE);
	theirs = segment->construct<theirs_shared>("shared")();
	for (int i = 0; i < 2; i++) {
		const std::string name = "queue-" + std::to_string(i);
		const std::string ring = "ring-" + std::to_string(i);

		check(shmfs_queue_open(heap, name.c_str(), SHMFS_CREATE_ONLY, &messages,
				       &our_queue[i]));
		check(shmfs_ring_open(heap, ring.c_str(), SHMFS_CREATE_ONLY, &in_ring,
				      &our_ring[i]));
		their_queue[i] = new bip::message_queue(bip::create_only, name.c_str(),
							MESSAGES, sizeof(message));
	}
	their_ring = segment->construct<lockfree>("lockfree")();
	for (long i = 0; i < NAMES; i++) {
		check(shmfs_heap_construct(heap, name_of(i).c_str(), 1, 8, nullptr,
					   &object));
		segment->construct<long>(name_of(i).c_str())(0);
	}
	posix = static_cast<posix_shared *>(mmap(nullptr, sizeof(*posix),
						 PROT_READ | PROT_WRITE,
						 MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	set_up_posix();
	ours->barrier.count = 2;
}

double time_of(const operation &o, const work &w)
{
	const clockid_t clock = o.processor ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC;
	timespec begin, end;

	clock_gettime(clock, &begin);
	w(o.n);
	clock_gettime(clock, &end);
	return (double(end.tv_sec - begin.tv_sec) * 1e9 +
		double(end.tv_nsec - begin.tv_nsec)) /
	       double(o.n);
}

double median(std::vector<double> times)
{
	std::sort(times.begin(), times.end());
	return times[times.size() / 2];
}

// Returns whether the bar is reached.
bool measure(const operation &o)
{
	std::vector<double> with_ours, with_theirs;
	double ratio;

	for (int i = 0; i < ROUNDS; i++) {
		with_ours.push_back(time_of(o, o.with_ours));
		with_theirs.push_back(time_of(o, o.with_theirs));
	}
	ratio = median(with_theirs) / median(with_ours);
	std::printf("%-20s %9.1f %9.1f %7.2f %5.1f%s\n", o.name, median(with_ours),
		    median(with_theirs), ratio, o.bar, ratio < o.bar ? " missed" : "");
	std::fflush(stdout);
	return ratio >= o.bar;
}

int run(int argc, char **argv)
{
	const bool bars = argc > 1 && std::strcmp(argv[1], "-b") == 0;
	std::vector<operation> all = heap_operations();
	bool reached = true;

	for (operation &o : sync_operations())
		all.push_back(o);
	for (operation &o : lock_operations())
		all.push_back(o);
	set_up();
	std::printf("%-20s %9s %9s %7s %5s\n", "ns", "shmfs", "Boost", "ratio", "bar");
	for (const operation &o : all) {
		bool wanted = argc == 1 + bars;

		for (int i = 1 + bars; i < argc; i++)
			wanted |= std::strcmp(argv[i], o.name) == 0;
		if (wanted)
			reached &= measure(o);
	}
	return bars && !reached;
}

} // namespace

int main(int argc, char **argv)
{
	try {
		return run(argc, argv);
	} catch (const std::exception &e) {
		std::fprintf(stderr, "bench-heap: %s\n", e.what());
		return 2;
	}
}
