/* SPDX-License-Identifier: MIT */
/*
 * A queue is a named object: a header, and behind it the slots for messages. A slot with
 * a message has a stamp, a number that rises with each message. The sender copies the
 * message, then stores the stamp. The receiver copies the message, then clears the stamp.
 * So after a death the message is there or not, and an incomplete copy has no stamp.
 *
 * The lists of messages and of free slots, and their counts, follow from the stamps. A
 * process that inherits the lock of a dead owner makes them anew. If the heir dies as
 * well, the next heir does it.
 *
 * Slots are numbered from 1; 0 is none. A number in the heap may be forged, so each is
 * checked before it is followed, and -EUCLEAN says that the queue is damaged.
 */
#include <errno.h>
#include <string.h>

#include "lib/heap/owned.h"
#include "lib/sync/event.h"
#include "lib/sync/queue.h"
#include "native/public.h"

#define TYPE         UINT64_C(0x65756575712e7300) /* of the named object */
#define CAPACITY_MAX (UINT32_C(1) << 24)
#define SIZE_MOST    (UINT32_C(1) << 24)

struct list {
	uint32_t first, last;
};

struct shmfs_queue {
	uint32_t lock; /* a word with an owner */
	uint32_t capacity;
	uint32_t message_size;
	uint32_t messages; /* there are */
	uint64_t stamp;    /* the last that was given */
	uint64_t sent;     /* the event of a message */
	uint64_t received; /* the event of a free slot */
	uint32_t free;     /* the first free slot */
	uint32_t used;     /* a bit for each priority that has a message */
	struct list list[SHMFS_QUEUE_PRIORITIES]; /* of those that have one */
};

struct slot {
	uint64_t stamp; /* 0: the slot is free */
	uint32_t next;
	uint32_t size;
	uint32_t priority;
	uint32_t zero;
	unsigned char data[];
};

/* shmfs_heap(5) describes them. */
_Static_assert(sizeof(struct shmfs_queue) == 304, "queue");
_Static_assert(sizeof(struct slot) == 24, "slot");

static uint64_t slot_size(uint32_t message_size)
{
	return sizeof(struct slot) + ((message_size + UINT64_C(7)) & ~UINT64_C(7));
}

/* Others may change what stands in the heap: it is loaded once, checked and used. */
static uint32_t load(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

/* Slot @i with room for a message of @room bytes, or NULL where there is none in the
 * heap. */
static inline struct slot *slot_for(struct shmfs_heap *h, struct shmfs_queue *q,
				    uint32_t i, uint32_t room)
{
	uint64_t size = slot_size(room);
	uint64_t position = heap_position(h, q + 1) + (i - UINT64_C(1)) * size;

	if (i == 0 || i > q->capacity || !heap_is_word(h, position, size))
		return NULL;
	return heap_at(h, position);
}

static inline struct slot *slot_at(struct shmfs_heap *h, struct shmfs_queue *q,
				   uint32_t i)
{
	return slot_for(h, q, i, load(&q->message_size));
}

/* Stores to a word that others read without the lock. */
static void set(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELAXED);
}

/* Slot @i, which is @s, is free. */
static void put_free(struct shmfs_queue *q, struct slot *s, uint32_t i)
{
	s->next = q->free;
	set(&q->free, i);
}

/* Slot @i, which is @s, is the last of its priority. */
static inline int append(struct shmfs_heap *h, struct shmfs_queue *q, struct slot *s,
			 uint32_t i)
{
	uint32_t priority = s->priority;
	struct list *list;
	struct slot *last;

	if (priority >= SHMFS_QUEUE_PRIORITIES)
		return -EUCLEAN;
	list = &q->list[priority];
	s->next = 0;
	if (q->used & 1u << priority) {
		last = slot_at(h, q, list->last);
		if (!last)
			return -EUCLEAN;
		last->next = i;
	} else {
		list->first = i;
		set(&q->used, q->used | 1u << priority);
	}
	list->last = i;
	set(&q->messages, q->messages + 1);
	return 0;
}

/* Takes the first of two lists that are not empty which has the lower stamp. */
static uint32_t take_lower(struct shmfs_heap *h, struct shmfs_queue *q, uint32_t *a,
			   uint32_t *b)
{
	struct slot *first = *a ? slot_at(h, q, *a) : NULL;
	struct slot *second = *b ? slot_at(h, q, *b) : NULL;
	uint32_t *from = !second || (first && first->stamp < second->stamp) ? a : b;
	struct slot *s = from == a ? first : second;
	uint32_t i = *from;

	*from = s ? s->next : 0;
	return i;
}

/* Merges lists by their stamps. */
static uint32_t merge(struct shmfs_heap *h, struct shmfs_queue *q, uint32_t a, uint32_t b)
{
	uint32_t most = load(&q->capacity), n = 0, first = 0, i;
	struct slot *last = NULL;

	while ((a || b) && n++ < most) {
		i = take_lower(h, q, &a, &b);
		if (last)
			last->next = i;
		else
			first = i;
		last = slot_at(h, q, i);
		if (!last)
			break;
		last->next = 0;
	}
	return first;
}

/*
 * Returns the slots that have a message, in the order of their stamps. Lists of 2^n slots
 * wait in @part until another of the same length is there to be merged with.
 */
static uint32_t sort(struct shmfs_heap *h, struct shmfs_queue *q)
{
	uint32_t part[33] = { 0 }, sorted = 0;
	unsigned int n;

	for (uint32_t i = 1; i <= q->capacity; i++) {
		struct slot *s = slot_at(h, q, i);
		uint32_t list = i;

		if (!s)
			return sorted;
		if (!s->stamp)
			continue;
		s->next = 0;
		for (n = 0; n < 32 && part[n]; n++) {
			list = merge(h, q, part[n], list);
			part[n] = 0;
		}
		part[n] = list;
	}
	for (n = 0; n <= 32; n++)
		sorted = merge(h, q, part[n], sorted);
	return sorted;
}

/* Makes everything anew that can be told from the stamps. */
static int rebuild(struct shmfs_heap *h, struct shmfs_queue *q)
{
	uint32_t most = load(&q->capacity), n = 0, sorted, next;
	int r = 0;

	set(&q->free, 0);
	set(&q->used, 0);
	set(&q->messages, 0);
	sorted = sort(h, q);
	for (uint32_t i = q->capacity; i > 0; i--) {
		struct slot *s = slot_at(h, q, i);

		if (!s)
			return -EUCLEAN;
		if (!s->stamp)
			put_free(q, s, i);
	}
	for (uint32_t i = sorted; r == 0 && i; i = next) {
		struct slot *s = slot_at(h, q, i);

		/* A list that does not end is forged. */
		if (!s || n++ >= most)
			return -EUCLEAN;
		next = s->next;
		if (q->stamp < s->stamp)
			q->stamp = s->stamp;
		r = append(h, q, s, i);
	}
	return r;
}

static int lock(struct shmfs_heap *h, struct shmfs_queue *q)
{
	int r;

	if (owned_take_free(h, &q->lock))
		return 0;
	if (owned_take(h, &q->lock, 0, NULL) == OWNED_FREE)
		return 0;
	r = rebuild(h, q);
	if (r < 0)
		owned_give(&q->lock);
	return r;
}

uint64_t *queue_event(struct shmfs_queue *q, bool room)
{
	return room ? &q->received : &q->sent;
}

bool queue_is_ready(const struct shmfs_queue *q, bool room)
{
	return __atomic_load_n(room ? &q->free : &q->used, __ATOMIC_SEQ_CST) != 0;
}

bool queue_is_orphaned(struct shmfs_heap *h, struct shmfs_queue *q)
{
	return owned_is_orphaned(h, &q->lock);
}

struct message {
	const void *data;
	size_t size;
	unsigned int priority;
};

static int send_now(struct shmfs_heap *h, struct shmfs_queue *q, const struct message *m)
{
	uint32_t i = q->free, most = load(&q->message_size);
	struct slot *s;

	if (!i)
		return -EAGAIN;
	s = slot_for(h, q, i, most);
	if (!s || m->size > most)
		return -EUCLEAN;
	s->size = (uint32_t)m->size;
	s->priority = m->priority;
	if (m->size > 0)
		memcpy(s->data, m->data, m->size);
	set(&q->free, s->next);
	q->stamp++;
	heap_order();
	__atomic_store_n(&s->stamp, q->stamp, __ATOMIC_RELEASE);
	heap_order();
	return append(h, q, s, i);
}

struct buffer {
	void *data;
	size_t room;
	size_t *ret_size;
	unsigned int *ret_priority;
};

static int receive_now(struct shmfs_heap *h, struct shmfs_queue *q,
		       const struct buffer *b)
{
	uint32_t used = load(&q->used), most = load(&q->message_size), i, size;
	unsigned int priority;
	struct list *list;
	struct slot *s;

	if (!used)
		return -EAGAIN;
	priority = 31 - (unsigned int)__builtin_clz(used);
	list = &q->list[priority];
	i = load(&list->first);
	s = slot_for(h, q, i, most);
	if (!s)
		return -EUCLEAN;
	size = load(&s->size);
	if (size > most)
		return -EUCLEAN;
	if (size > b->room)
		return -EMSGSIZE;
	if (size > 0)
		memcpy(b->data, s->data, size);
	if (b->ret_size)
		*b->ret_size = size;
	if (b->ret_priority)
		*b->ret_priority = priority;
	heap_order();
	__atomic_store_n(&s->stamp, 0, __ATOMIC_RELEASE);
	heap_order();
	list->first = s->next;
	if (!s->next)
		set(&q->used, used & ~(1u << priority));
	set(&q->messages, q->messages - 1);
	put_free(q, s, i);
	return 0;
}

/* Sends or receives at once. */
static int attempt(struct shmfs_heap *h, struct shmfs_queue *q, const struct message *m,
		   const struct buffer *b)
{
	int r = lock(h, q);

	if (r < 0)
		return r;
	r = m ? send_now(h, q, m) : receive_now(h, q, b);
	owned_give(&q->lock);
	if (r == 0)
		event_wake(m ? &q->sent : &q->received, 1);
	return r;
}

/* Sends or receives at once, or within the moment that falling asleep would take. */
static int attempt_for_long(struct shmfs_heap *h, struct shmfs_queue *q,
			    const struct message *m, const struct buffer *b)
{
	int r = attempt(h, q, m, b);

	for (int i = 0; r == -EAGAIN && i < FUTEX_LOOKS; i++) {
		futex_pause();
		if (__atomic_load_n(m ? &q->free : &q->used, __ATOMIC_RELAXED))
			r = attempt(h, q, m, b);
	}
	return r;
}

/* Sends or receives as soon as that is possible, or until the deadline. */
static int attempt_until(struct shmfs_heap *h, struct shmfs_queue *q,
			 const struct message *m, const struct buffer *b,
			 const struct deadline *until)
{
	uint64_t *event = m ? &q->received : &q->sent;
	long ns = FUTEX_FIRST_NS;
	uint32_t key;
	int r = attempt_for_long(h, q, m, b), slept = 0;

	if (r != -EAGAIN)
		return r;
	key = event_enter(event);
	while ((r = attempt(h, q, m, b)) == -EAGAIN && slept != -ETIMEDOUT) {
		if (event_has_come(event, key))
			key = event_enter(event);
		else
			slept = event_sleep(event, key, &ns, until);
	}
	event_leave(event, key);
	/* It may have been woken for what it leaves to others. */
	if (r < 0 && r != -EAGAIN && event_has_come(event, key))
		event_wake(event, 1);
	return r == -EAGAIN ? slept : r;
}

static int check_message(struct shmfs_heap *h, const struct shmfs_queue *q,
			 const struct message *m)
{
	if (m->priority >= SHMFS_QUEUE_PRIORITIES)
		return -EINVAL;
	if (m->size > q->message_size)
		return -EMSGSIZE;
	return heap_refusal(h);
}

_public_ int shmfs_queue_send(struct shmfs_heap *heap, struct shmfs_queue *queue,
			      const void *data, size_t size, unsigned int priority)
{
	const struct message m = { data, size, priority };
	int r = check_message(heap, queue, &m);

	return r < 0 ? r : attempt_until(heap, queue, &m, NULL, NULL);
}

_public_ int shmfs_queue_try_send(struct shmfs_heap *heap, struct shmfs_queue *queue,
				  const void *data, size_t size, unsigned int priority)
{
	const struct message m = { data, size, priority };
	int r = check_message(heap, queue, &m);

	return r < 0 ? r : attempt(heap, queue, &m, NULL);
}

_public_ int shmfs_queue_send_until(struct shmfs_heap *heap, struct shmfs_queue *queue,
				    const void *data, size_t size, unsigned int priority,
				    int clock, const struct timespec *deadline)
{
	const struct message m = { data, size, priority };
	struct deadline until;
	int r = deadline_make(clock, deadline, &until);

	if (r == 0)
		r = check_message(heap, queue, &m);
	return r < 0 ? r : attempt_until(heap, queue, &m, NULL, &until);
}

_public_ int shmfs_queue_receive(struct shmfs_heap *heap, struct shmfs_queue *queue,
				 void *buffer, size_t room, size_t *ret_size,
				 unsigned int *ret_priority)
{
	const struct buffer b = { buffer, room, ret_size, ret_priority };
	int r = heap_refusal(heap);

	return r < 0 ? r : attempt_until(heap, queue, NULL, &b, NULL);
}

_public_ int shmfs_queue_try_receive(struct shmfs_heap *heap, struct shmfs_queue *queue,
				     void *buffer, size_t room, size_t *ret_size,
				     unsigned int *ret_priority)
{
	const struct buffer b = { buffer, room, ret_size, ret_priority };
	int r = heap_refusal(heap);

	return r < 0 ? r : attempt(heap, queue, NULL, &b);
}

_public_ int shmfs_queue_receive_until(struct shmfs_heap *heap, struct shmfs_queue *queue,
				       void *buffer, size_t room, size_t *ret_size,
				       unsigned int *ret_priority, int clock,
				       const struct timespec *deadline)
{
	const struct buffer b = { buffer, room, ret_size, ret_priority };
	struct deadline until;
	int r = deadline_make(clock, deadline, &until);

	if (r == 0)
		r = heap_refusal(heap);
	return r < 0 ? r : attempt_until(heap, queue, NULL, &b, &until);
}

_public_ void shmfs_queue_info(const struct shmfs_queue *queue,
			       struct shmfs_queue_info *ret)
{
	*ret = (struct shmfs_queue_info){
		.capacity = queue->capacity,
		.message_size = queue->message_size,
		.messages = __atomic_load_n(&queue->messages, __ATOMIC_RELAXED),
	};
}

static int find(struct shmfs_heap *h, const char *name, struct shmfs_queue **ret)
{
	struct shmfs_queue *q;
	void *object;
	int r = shmfs_heap_find(h, name, TYPE, 0, &object);

	if (r < 0)
		return r;
	q = object;
	/* The object has room for the head and all slots, or else it is damaged. */
	if (!heap_has(h, heap_position(h, q), sizeof(*q)))
		return -EUCLEAN;
	r = shmfs_heap_find(h, name, TYPE,
			    sizeof(*q) + q->capacity * slot_size(q->message_size),
			    &object);
	if (r < 0)
		return r == -EMSGSIZE ? -EUCLEAN : r;
	*ret = q;
	return 0;
}

/* The caller has a transaction: nobody finds the queue before it is complete. */
static int make(struct shmfs_heap *h, const char *name,
		const struct shmfs_queue_options *options, struct shmfs_queue **ret)
{
	struct shmfs_queue *q;
	void *object;
	int r;

	if (!options || options->capacity == 0 || options->capacity > CAPACITY_MAX ||
	    options->message_size > SIZE_MOST)
		return -EINVAL;
	r = shmfs_heap_construct(h, name, TYPE,
				 sizeof(*q) + options->capacity *
						      slot_size(options->message_size),
				 NULL, &object);
	if (r < 0)
		return r;
	q = object;
	q->capacity = options->capacity;
	q->message_size = options->message_size;
	r = rebuild(h, q);
	if (r == 0)
		*ret = q;
	return r;
}

_public_ int shmfs_queue_open(struct shmfs_heap *heap, const char *name,
			      enum shmfs_how how,
			      const struct shmfs_queue_options *options,
			      struct shmfs_queue **ret)
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
