/* SPDX-License-Identifier: MIT */
/*
 * Processes are killed while they send and receive, at random instants and at every
 * instruction, and so are those that set the queue right after them. Each message is
 * there or not, as a whole; those that were sent are there; none is there that was not
 * sent. A test that hangs is ended by the alarm.
 *
 * SHMFS_KILLS sets how many are killed at random.
 */
#include "sync/fixture.h"
#include "sync/message.h"

#define WORKERS  3
#define CAPACITY 7

struct shared {
	uint64_t begun[WORKERS]; /* the last number that the sender may have sent */
	uint64_t sent[WORKERS];  /* the last that it has */
	uint64_t received;
};

static struct shmfs_heap *heap;
static struct shmfs_queue *queue;
static struct shared *shared;

static unsigned int kills(void)
{
	const char *n = getenv("SHMFS_KILLS");

	return n ? (unsigned int)atoi(n) : 200;
}

static void begin(void)
{
	const struct shmfs_queue_options options = { CAPACITY, sizeof(struct message) };

	alarm(4 * FIXTURE_SECONDS);
	heap = fixture_heap(0, 0);
	shared = fixture_object(heap, sizeof(*shared));
	assert_int_equal(
		shmfs_queue_open(heap, "queue", SHMFS_CREATE_ONLY, &options, &queue), 0);
}

static struct shmfs_queue *find(struct shmfs_heap *own)
{
	struct shmfs_queue *q = NULL;

	if (shmfs_queue_open(own, "queue", SHMFS_OPEN_ONLY, NULL, &q) < 0)
		_exit(102);
	return q;
}

/* Sends numbers that rise, and says before and after which. */
static int send_for_ever(struct shmfs_heap *own, void *data)
{
	struct shared *s = fixture_object(own, sizeof(*s));
	struct shmfs_queue *q = find(own);
	uint64_t sender = *(uint64_t *)data;
	uint64_t n = __atomic_load_n(&s->begun[sender], __ATOMIC_ACQUIRE);

	alarm(0);
	for (;;) {
		n++;
		__atomic_store_n(&s->begun[sender], n, __ATOMIC_RELEASE);
		if (message_send(own, q, sender, n) < 0)
			return 1;
		__atomic_store_n(&s->sent[sender], n, __ATOMIC_RELEASE);
	}
}

/* The next message of each sender is the next number, unless it died before it sent it.
 */
static void receive_next(uint64_t last[WORKERS])
{
	struct timespec late = clock_in(CLOCK_MONOTONIC, 0);
	unsigned int priority;
	struct message m;
	size_t size;

	late.tv_sec += FIXTURE_SECONDS;
	assert_int_equal(shmfs_queue_receive_until(heap, queue, &m, sizeof(m), &size,
						   &priority, CLOCK_MONOTONIC, &late),
			 0);
	assert_int_equal(size, sizeof(m));
	assert_true(m.sender < WORKERS);
	assert_int_equal(priority, m.sender);
	assert_true(message_is_whole(&m));
	assert_true(m.number > last[m.sender]);
	assert_true(m.number <=
		    __atomic_load_n(&shared->begun[m.sender], __ATOMIC_ACQUIRE));
	/* What lies between was begun by those who died, one each. */
	last[m.sender] = m.number;
}

static void kill_senders(bool containers)
{
	uint64_t last[WORKERS] = { 0 }, which[WORKERS], skipped[WORKERS] = { 0 };
	unsigned int seed = 4, n = kills();
	struct shmfs_queue_info info;
	pid_t pid[WORKERS];

	begin();
	for (uint64_t i = 0; i < WORKERS; i++) {
		which[i] = i;
		pid[i] = fixture_start(send_for_ever, &which[i], containers);
	}
	for (unsigned int i = 0; i < n; i++) {
		unsigned int at = (unsigned int)rand_r(&seed) % WORKERS;

		for (int j = rand_r(&seed) % 60; j > 0; j--)
			receive_next(last);
		fixture_kill(pid[at]);
		/* Nobody sends under this priority now: what was sent is there. */
		if (i % 4 == 0) {
			for (unsigned int j = 0; j < WORKERS; j++)
				if (j != at)
					fixture_kill(pid[j]);
			for (shmfs_queue_info(queue, &info); info.messages > 0;
			     shmfs_queue_info(queue, &info))
				receive_next(last);
			while (shmfs_queue_try_send(heap, queue, "", 0, 31) == -EAGAIN)
				receive_next(last);
			assert_int_equal(
				shmfs_queue_receive(heap, queue, NULL, 0, NULL, NULL), 0);
			shmfs_queue_info(queue, &info);
			while (info.messages-- > 0)
				receive_next(last);
			for (unsigned int j = 0; j < WORKERS; j++) {
				assert_true(last[j] >= shared->sent[j]);
				skipped[j] += shared->begun[j] - last[j];
				last[j] = shared->begun[j];
				if (j != at)
					pid[j] = fixture_start(send_for_ever, &which[j],
							       containers);
			}
		}
		pid[at] = fixture_start(send_for_ever, &which[at], containers);
	}
	for (unsigned int i = 0; i < WORKERS; i++) {
		fixture_kill(pid[i]);
		assert_true(skipped[i] <= n);
	}
	fixture_heap_end(heap);
}

static void test_senders(void **state)
{
	(void)state;
	kill_senders(false);
}

static void test_senders_in_containers(void **state)
{
	(void)state;
	kill_senders(true);
}

static int send_one(struct shmfs_heap *own, void *data)
{
	struct shared *s = fixture_object(own, sizeof(*s));
	struct shmfs_queue *q = find(own);

	(void)data;
	fixture_ready();
	s->begun[0]++;
	if (message_send(own, q, 0, s->begun[0]) < 0)
		return 1;
	s->sent[0]++;
	return 0;
}

static int receive_one(struct shmfs_heap *own, void *data)
{
	struct shared *s = fixture_object(own, sizeof(*s));
	struct shmfs_queue *q = find(own);
	struct message m;

	(void)data;
	fixture_ready();
	if (shmfs_queue_receive(own, q, &m, sizeof(m), NULL, NULL) < 0)
		return 1;
	s->received = m.number;
	return 0;
}

/* All that is there, in order. Returns how much that is. */
static unsigned int drain(uint64_t last)
{
	struct message m;
	unsigned int n = 0;

	while (shmfs_queue_try_receive(heap, queue, &m, sizeof(m), NULL, NULL) == 0) {
		assert_true(message_is_whole(&m));
		assert_true(m.number > last);
		last = m.number;
		n++;
	}
	return n;
}

static void refill(void)
{
	struct message m;

	/* Without a look at what is there. */
	while (shmfs_queue_try_receive(heap, queue, &m, sizeof(m), NULL, NULL) == 0)
		;
	memset(shared, 0, sizeof(*shared));
	for (uint64_t i = 1; i <= 4; i++)
		assert_int_equal(message_send(heap, queue, 0, i), 0);
	shared->begun[0] = 4;
	shared->sent[0] = 4;
}

/* Instructions from that which takes the lock of the queue on. */
static void test_sender_at_each_instruction(void **state)
{
	const uint32_t *lock;
	unsigned int n = 0, there;
	bool died = true;

	(void)state;
	if (fixture_emulated())
		skip();
	begin();
	lock = (const uint32_t *)queue;
	while (died) {
		refill();
		died = fixture_die_after(send_one, NULL, lock, n++);
		/* The heir of the dead one dies as well. */
		if (died && n % 16 == 0)
			fixture_die_after(send_one, NULL, lock, n * 5 % 700);
		there = drain(0);
		assert_in_range(there, shared->sent[0], shared->begun[0]);
	}
	assert_true(n > 50);
	fixture_heap_end(heap);
}

static void test_receiver_at_each_instruction(void **state)
{
	const uint32_t *lock;
	unsigned int n = 0;
	bool died = true;

	(void)state;
	if (fixture_emulated())
		skip();
	begin();
	lock = (const uint32_t *)queue;
	while (died) {
		struct message m;

		refill();
		died = fixture_die_after(receive_one, NULL, lock, n++);
		assert_int_equal(
			shmfs_queue_receive(heap, queue, &m, sizeof(m), NULL, NULL), 0);
		/* The first is still there, or it has been taken out. */
		assert_in_range(m.number, shared->received + 1, 2);
		assert_int_equal(drain(m.number), 4 - m.number);
		/* There is room for as many as ever. */
		for (uint64_t i = 0; i < CAPACITY; i++)
			assert_int_equal(message_send(heap, queue, 0, i + 1), 0);
	}
	assert_true(n > 50);
	fixture_heap_end(heap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(test_senders),
		fixture_test(test_senders_in_containers),
		fixture_test(test_sender_at_each_instruction),
		fixture_test(test_receiver_at_each_instruction),
	};

	sandbox_enter();
	return cmocka_run_group_tests_name("queue-kill", tests, NULL, NULL) != 0;
}
