/* SPDX-License-Identifier: MIT */
/*
 * A ring is a named object: a head, and behind it the bytes for messages. Each side has a
 * number of its own, which only rises: the bytes that were sent, and those that were
 * received. The sender writes a message and then stores the first, the receiver copies a
 * message and then stores the second. So after a death the message is there or not, and
 * there is nothing to repair.
 *
 * A message lies in one piece. Where the rest of the bytes is too short for it, a mark
 * there says so, and the message lies at the beginning. Mark and message are there by the
 * same store. With room for one message more than the capacity, such rests never cost a
 * message that the capacity promises.
 *
 * Each side remembers the number of the other side as it was, and looks again when that
 * is too little. So the cache line of a side goes to the other side only when it must.
 *
 * Whoever may write to the heap may have forged all numbers. Each is loaded once and
 * checked before it is used, and -EUCLEAN says that the ring is damaged.
 */
#include <errno.h>
#include <string.h>

#include "lib/heap/owned.h"
#include "lib/sync/event.h"
#include "lib/sync/ring.h"
#include "native/public.h"

#define TYPE         UINT64_C(0x00676e69722e7300) /* of the named object */
#define CAPACITY_MAX (UINT32_C(1) << 24)
#define SIZE_MOST    (UINT32_C(1) << 24)
#define REST         UINT32_MAX /* the size that marks a rest */

/* 128 bytes, so that the sides share no cache line wherever the object begins. */
struct side {
	uint64_t bytes; /* that were sent, or received, since the ring was made */
	uint64_t seen;  /* those of the other side, as they were */
	uint64_t event; /* that the bytes are more */
	uint32_t owner; /* a word with an owner */
	uint32_t zero;
	uint64_t unused[12];
};

struct shmfs_ring {
	uint64_t room; /* for messages: a power of two */
	uint32_t capacity;
	uint32_t message_size;
	uint64_t unused[14];
	struct side sender, receiver;
};

struct record {
	uint32_t size; /* of the message, or REST */
	uint32_t zero;
	unsigned char data[];
};

/* shmfs_heap(5) describes them. */
_Static_assert(sizeof(struct shmfs_ring) == 384, "ring");
_Static_assert(sizeof(struct record) == 8, "record");

static uint64_t record_size(uint64_t message_size)
{
	return sizeof(struct record) + ((message_size + 7) & ~UINT64_C(7));
}

static uint32_t load32(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static uint64_t load64(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

/* What is checked of the head, and used from then on. */
struct view {
	unsigned char *data;
	uint64_t room;
	uint32_t most; /* bytes of a message */
};

static inline int look_at(struct shmfs_heap *h, const struct shmfs_ring *ring,
			  struct view *ret)
{
	uint64_t room = load64(&ring->room);
	uint64_t position = heap_position(h, ring + 1);
	uint32_t most = load32(&ring->message_size);

	if (most > SIZE_MOST || room & (room - 1) || room < record_size(most) ||
	    !heap_is_word(h, position, room))
		return -EUCLEAN;
	*ret = (struct view){ heap_at(h, position), room, most };
	return 0;
}

/* Where byte @n of all that are sent lies. */
static struct record *record_at(const struct view *v, uint64_t n)
{
	return (void *)(v->data + (n & (v->room - 1)));
}

/* The bytes between the sides, or more than @v->room where the ring is damaged. */
static uint64_t between(const struct view *v, uint64_t sent, uint64_t received)
{
	return (sent | received) % sizeof(struct record) ? v->room + 1 : sent - received;
}

/* Takes the side, unless another attachment that lives has it. */
static int claim(struct shmfs_heap *h, struct side *side)
{
	int r;

	if (!h->owner)
		return heap_refusal(h);
	if ((load32(&side->owner) & FORMAT_OWNER) == h->owner)
		return 0;
	r = owned_try(h, &side->owner, 0);
	return r < 0 ? r : 0;
}

static int enter(struct shmfs_heap *h, struct shmfs_ring *ring, struct side *side,
		 struct view *ret)
{
	int r = claim(h, side);

	return r < 0 ? r : look_at(h, ring, ret);
}

/*
 * Sequentially consistent: either a waiter sees the bytes, or its waker the waiter
 * (event.c).
 */
static void advance(struct side *side, uint64_t bytes)
{
	heap_order();
	__atomic_store_n(&side->bytes, bytes, __ATOMIC_SEQ_CST);
	heap_order();
	/* Only one of them can use it, but some want more room than there is (wait.c). */
	event_wake(&side->event, UINT32_MAX);
}

static uint64_t look_across(struct side *side, const struct side *other)
{
	uint64_t bytes = __atomic_load_n(&other->bytes, __ATOMIC_SEQ_CST);

	__atomic_store_n(&side->seen, bytes, __ATOMIC_RELAXED);
	return bytes;
}

/* Where a message goes, or is. */
struct place {
	struct record *record;
	struct record *rest; /* to be marked before it, or NULL */
	uint64_t end;        /* the bytes of the side, once it is sent or received */
	uint32_t size;
};

/* Whether there are @n bytes of room behind @sent: 0, -EAGAIN or -EUCLEAN. */
static inline int check_room(const struct view *v, struct shmfs_ring *ring, uint64_t sent,
			     uint64_t n)
{
	uint64_t used = between(v, sent, load64(&ring->sender.seen));

	if (used > v->room || n > v->room - used)
		used = between(v, sent, look_across(&ring->sender, &ring->receiver));
	if (used > v->room)
		return -EUCLEAN;
	return n > v->room - used ? -EAGAIN : 0;
}

/* The bytes from @sent to the end, where a message of @n bytes does not fit there. */
static uint64_t rest_before(const struct view *v, uint64_t sent, uint64_t n)
{
	uint64_t left = v->room - (sent & (v->room - 1));

	return n > left ? left : 0;
}

/* @sent was loaded once, since @rest follows from it, and others may forge the next. */
static inline int place_at(const struct view *v, struct shmfs_ring *ring, uint64_t sent,
			   uint64_t rest, uint32_t size, struct place *ret)
{
	uint64_t n = record_size(size);
	int r = check_room(v, ring, sent, rest + n);

	if (r < 0)
		return r;
	ret->rest = rest ? record_at(v, sent) : NULL;
	ret->record = record_at(v, sent + rest);
	ret->end = sent + rest + n;
	ret->size = size;
	return 0;
}

/* Finds room for a message of up to @size bytes. */
static inline int find_room(const struct view *v, struct shmfs_ring *ring, size_t size,
			    struct place *ret)
{
	uint64_t sent = load64(&ring->sender.bytes);

	if (size > v->most)
		return -EMSGSIZE;
	return place_at(v, ring, sent, rest_before(v, sent, record_size(size)),
			(uint32_t)size, ret);
}

static void publish(struct shmfs_ring *ring, const struct place *p)
{
	if (p->rest)
		__atomic_store_n(&p->rest->size, REST, __ATOMIC_RELAXED);
	__atomic_store_n(&p->record->size, p->size, __ATOMIC_RELAXED);
	advance(&ring->sender, p->end);
}

/* Finds the next message: 0, -EAGAIN or -EUCLEAN. */
static inline int find_message(const struct view *v, struct shmfs_ring *ring,
			       struct place *ret)
{
	uint64_t received = load64(&ring->receiver.bytes), left, there;
	struct record *record;

	there = between(v, load64(&ring->receiver.seen), received);
	if (there == 0 || there > v->room)
		there = between(v, look_across(&ring->receiver, &ring->sender), received);
	if (there == 0 || there > v->room)
		return there ? -EUCLEAN : -EAGAIN;
	left = v->room - (received & (v->room - 1));
	record = record_at(v, received);
	ret->size = load32(&record->size);
	if (ret->size == REST) {
		if (there <= left)
			return -EUCLEAN;
		there -= left;
		received += left;
		left = v->room;
		record = record_at(v, received);
		ret->size = load32(&record->size);
	}
	if (ret->size > v->most || record_size(ret->size) > left ||
	    record_size(ret->size) > there)
		return -EUCLEAN;
	ret->record = record;
	ret->end = received + record_size(ret->size);
	return 0;
}

uint64_t *ring_event(struct shmfs_ring *ring, bool room)
{
	return room ? &ring->receiver.event : &ring->sender.event;
}

/* Anybody may ask, so neither side remembers what is seen here. */
bool ring_is_ready(struct shmfs_heap *h, struct shmfs_ring *ring, bool room)
{
	uint64_t received = __atomic_load_n(&ring->receiver.bytes, __ATOMIC_SEQ_CST);
	uint64_t sent = __atomic_load_n(&ring->sender.bytes, __ATOMIC_SEQ_CST);
	uint64_t used, n;
	struct view v;

	if (look_at(h, ring, &v) < 0)
		return true;
	used = between(&v, sent, received);
	if (used > v.room || !room)
		return used > 0;
	n = record_size(v.most);
	return rest_before(&v, sent, n) + n <= v.room - used;
}

struct message {
	const void *data;
	size_t size;
};

struct buffer {
	void *data;
	size_t room;
	size_t *ret_size;
};

static inline int send_now(struct shmfs_heap *h, struct shmfs_ring *ring,
			   const struct message *m)
{
	struct place place;
	struct view v;
	int r = enter(h, ring, &ring->sender, &v);

	if (r < 0)
		return r;
	r = find_room(&v, ring, m->size, &place);
	if (r < 0)
		return r;
	if (m->size > 0)
		memcpy(place.record->data, m->data, m->size);
	publish(ring, &place);
	return 0;
}

static inline int receive_now(struct shmfs_heap *h, struct shmfs_ring *ring,
			      const struct buffer *b)
{
	struct place place;
	struct view v;
	int r = enter(h, ring, &ring->receiver, &v);

	if (r < 0)
		return r;
	r = find_message(&v, ring, &place);
	if (r < 0)
		return r;
	if (place.size > b->room)
		return -EMSGSIZE;
	if (place.size > 0)
		memcpy(b->data, place.record->data, place.size);
	if (b->ret_size)
		*b->ret_size = place.size;
	advance(&ring->receiver, place.end);
	return 0;
}

/* Sends or receives at once. */
static int attempt(struct shmfs_heap *h, struct shmfs_ring *ring, const struct message *m,
		   const struct buffer *b)
{
	return m ? send_now(h, ring, m) : receive_now(h, ring, b);
}

/* Sends or receives as soon as that is possible, or until the deadline. */
static int attempt_until(struct shmfs_heap *h, struct shmfs_ring *ring,
			 const struct message *m, const struct buffer *b,
			 const struct deadline *until)
{
	uint64_t *event = m ? &ring->receiver.event : &ring->sender.event;
	long ns = FUTEX_FIRST_NS;
	uint32_t key;
	int r = attempt(h, ring, m, b), slept = 0;

	/* For the moment that falling asleep would take. */
	for (int i = 0; r == -EAGAIN && i < FUTEX_LOOKS; i++) {
		futex_pause();
		r = attempt(h, ring, m, b);
	}
	if (r != -EAGAIN)
		return r;
	key = event_enter(event);
	while ((r = attempt(h, ring, m, b)) == -EAGAIN && slept != -ETIMEDOUT) {
		if (event_has_come(event, key))
			key = event_enter(event);
		else
			slept = event_sleep(event, key, &ns, until);
	}
	event_leave(event, key);
	return r == -EAGAIN ? slept : r;
}

_public_ int shmfs_ring_send(struct shmfs_heap *heap, struct shmfs_ring *ring,
			     const void *data, size_t size)
{
	const struct message m = { data, size };

	return attempt_until(heap, ring, &m, NULL, NULL);
}

_public_ int shmfs_ring_try_send(struct shmfs_heap *heap, struct shmfs_ring *ring,
				 const void *data, size_t size)
{
	const struct message m = { data, size };

	return attempt(heap, ring, &m, NULL);
}

_public_ int shmfs_ring_send_until(struct shmfs_heap *heap, struct shmfs_ring *ring,
				   const void *data, size_t size, int clock,
				   const struct timespec *deadline)
{
	const struct message m = { data, size };
	struct deadline until;
	int r = deadline_make(clock, deadline, &until);

	return r < 0 ? r : attempt_until(heap, ring, &m, NULL, &until);
}

_public_ int shmfs_ring_receive(struct shmfs_heap *heap, struct shmfs_ring *ring,
				void *buffer, size_t room, size_t *ret_size)
{
	const struct buffer b = { buffer, room, ret_size };

	return attempt_until(heap, ring, NULL, &b, NULL);
}

_public_ int shmfs_ring_try_receive(struct shmfs_heap *heap, struct shmfs_ring *ring,
				    void *buffer, size_t room, size_t *ret_size)
{
	const struct buffer b = { buffer, room, ret_size };

	return attempt(heap, ring, NULL, &b);
}

_public_ int shmfs_ring_receive_until(struct shmfs_heap *heap, struct shmfs_ring *ring,
				      void *buffer, size_t room, size_t *ret_size,
				      int clock, const struct timespec *deadline)
{
	const struct buffer b = { buffer, room, ret_size };
	struct deadline until;
	int r = deadline_make(clock, deadline, &until);

	return r < 0 ? r : attempt_until(heap, ring, NULL, &b, &until);
}

_public_ int shmfs_ring_reserve(struct shmfs_heap *heap, struct shmfs_ring *ring,
				size_t size, void **ret)
{
	struct place place;
	struct view v;
	int r = enter(heap, ring, &ring->sender, &v);

	if (r == 0)
		r = find_room(&v, ring, size, &place);
	if (r == 0)
		*ret = place.record->data;
	return r;
}

/* A message that is shorter than what was reserved stays where the room was. */
_public_ int shmfs_ring_commit(struct shmfs_heap *heap, struct shmfs_ring *ring,
			       const void *data, size_t size)
{
	uint64_t sent, rest = 0;
	struct place place;
	struct view v;
	int r = enter(heap, ring, &ring->sender, &v);

	if (r < 0)
		return r;
	sent = load64(&ring->sender.bytes);
	if (size > v.most)
		return -EINVAL;
	if (data == record_at(&v, 0)->data)
		rest = (v.room - sent) & (v.room - 1);
	if (rest_before(&v, sent + rest, record_size(size)))
		return -EINVAL;
	r = place_at(&v, ring, sent, rest, (uint32_t)size, &place);
	if (r == -EAGAIN || (r == 0 && data != place.record->data))
		return -EINVAL;
	if (r == 0)
		publish(ring, &place);
	return r;
}

_public_ int shmfs_ring_peek(struct shmfs_heap *heap, struct shmfs_ring *ring,
			     const void **ret, size_t *ret_size)
{
	struct place place;
	struct view v;
	int r = enter(heap, ring, &ring->receiver, &v);

	if (r < 0)
		return r;
	r = find_message(&v, ring, &place);
	if (r < 0)
		return r;
	*ret = place.record->data;
	*ret_size = place.size;
	return 0;
}

_public_ int shmfs_ring_release(struct shmfs_heap *heap, struct shmfs_ring *ring)
{
	struct place place;
	struct view v;
	int r = enter(heap, ring, &ring->receiver, &v);

	if (r == 0)
		r = find_message(&v, ring, &place);
	if (r == 0)
		advance(&ring->receiver, place.end);
	return r;
}

static bool leave(struct shmfs_heap *h, struct side *side)
{
	if (!h->owner || (load32(&side->owner) & FORMAT_OWNER) != h->owner)
		return false;
	owned_give(&side->owner);
	return true;
}

_public_ int shmfs_ring_leave(struct shmfs_heap *heap, struct shmfs_ring *ring)
{
	bool sent = leave(heap, &ring->sender), received = leave(heap, &ring->receiver);

	return sent || received ? 0 : -EPERM;
}

_public_ void shmfs_ring_info(const struct shmfs_ring *ring, struct shmfs_ring_info *ret)
{
	/* In this order, what was received was also sent. */
	uint64_t received = __atomic_load_n(&ring->receiver.bytes, __ATOMIC_ACQUIRE);
	uint64_t used = __atomic_load_n(&ring->sender.bytes, __ATOMIC_ACQUIRE) - received;

	*ret = (struct shmfs_ring_info){
		.capacity = ring->capacity,
		.message_size = ring->message_size,
		.size = ring->room,
		.used = used < ring->room ? used : ring->room,
	};
}

static int find(struct shmfs_heap *h, const char *name, struct shmfs_ring **ret)
{
	struct shmfs_ring *ring;
	struct view v;
	void *object;
	int r = shmfs_heap_find(h, name, TYPE, 0, &object);

	if (r < 0)
		return r;
	ring = object;
	/* The object has room for the head and all messages, or else it is damaged. */
	if (!heap_has(h, heap_position(h, ring), sizeof(*ring)))
		return -EUCLEAN;
	r = look_at(h, ring, &v);
	if (r == 0)
		r = shmfs_heap_find(h, name, TYPE, sizeof(*ring) + v.room, &object);
	if (r < 0)
		return r == -EMSGSIZE ? -EUCLEAN : r;
	*ret = ring;
	return 0;
}

/* The caller has a transaction: nobody finds the ring before it is complete. */
static int make(struct shmfs_heap *h, const char *name,
		const struct shmfs_ring_options *options, struct shmfs_ring **ret)
{
	uint64_t room = sizeof(struct record);
	struct shmfs_ring *ring;
	void *object;
	int r;

	if (!options || options->capacity == 0 || options->capacity > CAPACITY_MAX ||
	    options->message_size > SIZE_MOST)
		return -EINVAL;
	while (room <
	       (options->capacity + UINT64_C(1)) * record_size(options->message_size))
		room *= 2;
	r = shmfs_heap_construct(h, name, TYPE, sizeof(*ring) + room, NULL, &object);
	if (r < 0)
		return r;
	ring = object;
	ring->room = room;
	ring->capacity = options->capacity;
	ring->message_size = options->message_size;
	*ret = ring;
	return 0;
}

_public_ int shmfs_ring_open(struct shmfs_heap *heap, const char *name,
			     enum shmfs_how how, const struct shmfs_ring_options *options,
			     struct shmfs_ring **ret)
{
	int r;

	if (how != SHMFS_CREATE_ONLY && how != SHMFS_OPEN_ONLY &&
	    how != SHMFS_OPEN_OR_CREATE)
		return -EINVAL;
	r = shmfs_heap_begin(heap);
	if (r < 0)
		return r;
	r = how == SHMFS_CREATE_ONLY ? -ENOENT : find(heap, name, ret);
	if (r == -ENOENT && how != SHMFS_OPEN_ONLY)
		r = make(heap, name, options, ret);
	shmfs_heap_commit(heap);
	return r;
}
