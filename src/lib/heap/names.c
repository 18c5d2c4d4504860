/* SPDX-License-Identifier: MIT */
/*
 * Named objects: one block each, with the name in front of the object. They are found in
 * a hash table that grows by one bucket with each name that is added (linear hashing), so
 * that no change is ever larger than a part of the undo log. It does not shrink.
 *
 * Looking up takes no lock. A counter is odd while names change. A reader that finds it
 * even and the same before and after has read the table at rest. Until it knows that, it
 * may have read anything: so it checks each position before it follows it, and counts
 * steps.
 */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "lib/heap/blocks.h"
#include "lib/heap/lock.h"
#include "lib/heap/log.h"
#include "lib/heap/memory.h"
#include "native/public.h"

#define NAME_LENGTH_MAX 255

/* Attempts without the lock before it is taken, or where it cannot be, -EBUSY. */
#define ATTEMPTS 1000

/* A chain is longer only by chance or malice. */
#define CHAIN_MAX 1000000

/* A shorter chain is split at once. As many names as buckets make none that is longer, or
 * the table would grow no more. */
#define CHAIN_SHORT 16

static uint64_t hash(const struct shmfs_heap *h, const char *name, size_t n)
{
	uint64_t x = UINT64_C(14695981039346656037) ^ heap_header(h)->seed;

	for (size_t i = 0; i < n; i++)
		x = (x ^ (unsigned char)name[i]) * UINT64_C(1099511628211);
	return x ^ x >> 29;
}

/* The word of bucket @i, or NULL where the table is damaged. */
static uint64_t *bucket_at(struct shmfs_heap *h, uint64_t i)
{
	uint64_t index = i, part = 0, position;

	if (i >= FORMAT_BUCKETS_FIRST) {
		unsigned int power = 63 - (unsigned int)__builtin_clzll(i);

		part = power - 3;
		index = i - (UINT64_C(1) << power);
	}
	if (part >= FORMAT_BUCKET_PARTS)
		return NULL;
	position = __atomic_load_n(&heap_header(h)->parts[part], __ATOMIC_RELAXED) +
		   index * sizeof(uint64_t);
	return heap_is_word(h, position, sizeof(uint64_t)) ? heap_at(h, position) : NULL;
}

/* Of @n buckets, that of @hash: with those of the next power of two, as far as they are.
 */
static uint64_t bucket_of(uint64_t hash, uint64_t n)
{
	uint64_t all = UINT64_C(1) << (64 - __builtin_clzll(n - 1));
	uint64_t i = hash & (all - 1);

	return i < n ? i : i & (all / 2 - 1);
}

/* The number of buckets, or 0 where it cannot be. */
static uint64_t count_buckets(const struct shmfs_heap *h)
{
	uint64_t n = __atomic_load_n(&heap_header(h)->buckets, __ATOMIC_RELAXED);

	return n >= FORMAT_BUCKETS_FIRST && n <= FORMAT_BUCKETS_FIRST
							    << (FORMAT_BUCKET_PARTS - 1)
		       ? n
		       : 0;
}

static uint64_t *bucket(struct shmfs_heap *h, uint64_t hash)
{
	uint64_t n = count_buckets(h);

	return n ? bucket_at(h, bucket_of(hash, n)) : NULL;
}

/* What others may change meanwhile is loaded once, and what was checked is used. */
static uint32_t length_of(const struct format_name *n)
{
	return __atomic_load_n(&n->length, __ATOMIC_RELAXED);
}

static bool name_fits(struct shmfs_heap *h, const struct format_name *n, uint64_t length)
{
	return heap_has(h, heap_position(h, n), sizeof(*n) + length + 1);
}

static struct format_name *name_at(struct shmfs_heap *h, uint64_t position)
{
	struct format_name *n;

	if (!heap_is_word(h, position, sizeof(*n)))
		return NULL;
	n = heap_at(h, position);
	return name_fits(h, n, length_of(n)) ? n : NULL;
}

static bool is_called(struct shmfs_heap *h, const struct format_name *n, uint64_t hash,
		      const char *name, size_t length)
{
	return n->hash == hash && length_of(n) == length && name_fits(h, n, length) &&
	       memcmp(n->name, name, length) == 0;
}

/*
 * The word that leads to the name, or to the end of the chain where it is not: -ENOENT;
 * or -EUCLEAN.
 */
static int search(struct shmfs_heap *h, uint64_t hash, const char *name, size_t length,
		  uint64_t **ret)
{
	uint64_t *link = bucket(h, hash);

	if (!heap_header(h)->buckets)
		return -ENOENT;
	for (int i = 0; link && i < CHAIN_MAX; i++) {
		struct format_name *n;

		*ret = link;
		if (!*link)
			return -ENOENT;
		n = name_at(h, *link);
		if (!n)
			break;
		if (is_called(h, n, hash, name, length))
			return 0;
		link = &n->next;
	}
	return -EUCLEAN;
}

/* A named object as a reader without the lock has seen it. */
struct found {
	uint64_t type, size, object;
};

static int look(struct shmfs_heap *h, uint64_t hash, const char *name, size_t length,
		struct found *ret)
{
	const struct format_name *n;
	uint64_t *link;
	int r = search(h, hash, name, length, &link);

	if (r < 0)
		return r;
	n = name_at(h, *link);
	if (!n)
		return -EUCLEAN;
	*ret = (struct found){ n->type, n->size, n->object };
	return 0;
}

/* Returns -EAGAIN where names were changed meanwhile. */
static int look_at_rest(struct shmfs_heap *h, uint64_t hash, const char *name,
			size_t length, struct found *ret)
{
	const uint32_t *sequence = &heap_header(h)->sequence;
	uint32_t before = __atomic_load_n(sequence, __ATOMIC_ACQUIRE);
	int r;

	if (before % 2)
		return -EAGAIN;
	r = look(h, hash, name, length, ret);
	atomic_thread_fence(memory_order_acquire);
	return __atomic_load_n(sequence, __ATOMIC_RELAXED) == before ? r : -EAGAIN;
}

/* Somebody changes names all the time, or has died over it. */
static int look_with_lock(struct shmfs_heap *h, uint64_t hash, const char *name,
			  size_t length, struct found *ret)
{
	int r = h->writable ? lock_hold(h) : -EBUSY;

	if (r < 0)
		return r;
	r = look(h, hash, name, length, ret);
	lock_release(h);
	return r;
}

static int check_name(const char *name, size_t *ret_length)
{
	size_t n = strnlen(name, NAME_LENGTH_MAX + 1);

	if (n == 0)
		return -EINVAL;
	*ret_length = n;
	return n > NAME_LENGTH_MAX ? -ENAMETOOLONG : 0;
}

/* The object of a name, if it is what the caller takes it for. */
static int check_found(struct shmfs_heap *h, const struct found *f, uint64_t type,
		       uint64_t size, void **ret)
{
	if (!heap_has(h, f->object, f->size))
		return -EUCLEAN;
	if (f->type != type)
		return -EPROTOTYPE;
	if (size && f->size != size)
		return -EMSGSIZE;
	*ret = heap_at(h, f->object);
	return 0;
}

_public_ int shmfs_heap_find(struct shmfs_heap *heap, const char *name, uint64_t type,
			     uint64_t size, void **ret)
{
	struct found found = { 0 };
	size_t length;
	uint64_t x;
	int r = check_name(name, &length);

	if (r < 0)
		return r;
	x = hash(heap, name, length);
	if (lock_is_mine(heap))
		r = look(heap, x, name, length, &found);
	else
		r = -EAGAIN;
	for (int i = 0; r == -EAGAIN && i < ATTEMPTS; i++) {
		r = look_at_rest(heap, x, name, length, &found);
		if (r == -EAGAIN && i % 64 == 63)
			sched_yield();
	}
	if (r == -EAGAIN)
		r = look_with_lock(heap, x, name, length, &found);
	return r < 0 ? r : check_found(heap, &found, type, size, ret);
}

/* Moves those of the chain of @from that belong to bucket @to there. */
static void split_chain(struct shmfs_heap *h, uint64_t *from, uint64_t *to, uint64_t i,
			uint64_t n)
{
	struct format_name *name;
	uint64_t *link = from;

	while ((name = name_at(h, *link))) {
		uint64_t position = *link;

		if (bucket_of(name->hash, n) != i) {
			link = &name->next;
			continue;
		}
		log_set(h, link, name->next);
		log_set(h, &name->next, *to);
		log_set(h, to, position);
	}
}

/* Whether the chain that begins at @at is moved at once; else its bucket is left as it
 * is. */
static bool is_short(struct shmfs_heap *h, uint64_t at)
{
	struct format_name *n;

	for (int i = 0; i < CHAIN_SHORT; i++) {
		if (!at)
			return true;
		n = name_at(h, at);
		if (!n)
			return false;
		at = n->next;
	}
	return false;
}

/* Adds a part of the table: as many buckets as there are. */
static int add_part(struct shmfs_heap *h, uint64_t part, uint64_t buckets)
{
	uint64_t position;
	int r = memory_alloc(h, buckets * sizeof(uint64_t), sizeof(uint64_t), &position);

	if (r < 0)
		return r;
	memset(heap_at(h, position), 0, (size_t)(buckets * sizeof(uint64_t)));
	log_set(h, &heap_header(h)->parts[part], position);
	return 0;
}

/*
 * Adds a bucket, the names of which come from one that was there before. The table does
 * without where there is no memory: it gets slower, that is all.
 */
static void add_bucket(struct shmfs_heap *h)
{
	uint64_t n = count_buckets(h); /* not 0: a name has just been found a place */
	unsigned int power = 63 - (unsigned int)__builtin_clzll(n);
	uint64_t *from = bucket_at(h, n - (UINT64_C(1) << power)), *to;
	uint64_t part = power - 3;

	if (part >= FORMAT_BUCKET_PARTS || !from || !is_short(h, *from) ||
	    log_has_room(h, LOG_OPERATION) < 0)
		return;
	if (n == UINT64_C(1) << power && !heap_header(h)->parts[part] &&
	    add_part(h, part, n) < 0)
		return;
	to = bucket_at(h, n);
	if (!to)
		return;
	log_set(h, &heap_header(h)->buckets, n + 1);
	split_chain(h, from, to, n, n + 1);
}

/* The first part of the table, with the first name. */
static int begin_table(struct shmfs_heap *h)
{
	int r;

	if (heap_header(h)->buckets)
		return 0;
	/* A reader may have seen that there is no table, and see now that there is. */
	lock_naming(h);
	r = add_part(h, 0, FORMAT_BUCKETS_FIRST);
	if (r == 0)
		log_set(h, &heap_header(h)->buckets, FORMAT_BUCKETS_FIRST);
	return r;
}

/* A name with its object behind it, in one block. */
static int make(struct shmfs_heap *h, const char *name, size_t length, uint64_t size,
		struct format_name **ret)
{
	uint64_t head = (sizeof(struct format_name) + length + 1 + 15) & ~UINT64_C(15);
	uint64_t position;
	struct format_name *n;
	int r;

	if (size > BLOCKS_MOST - head)
		return -ENOSPC;
	r = memory_alloc(h, head + size, FORMAT_UNIT, &position);
	if (r < 0)
		return r;
	/* Nobody sees it yet, nor will if this is undone. */
	n = heap_at(h, position);
	n->object = position + head;
	n->size = size;
	n->length = (uint32_t)length;
	memcpy(n->name, name, length + 1);
	*ret = n;
	return 0;
}

static int construct(struct shmfs_heap *h, const char *name, size_t length, uint64_t type,
		     uint64_t size, const void *data, void **ret)
{
	uint64_t x = hash(h, name, length), *link;
	struct format_name *n = NULL;
	int r = begin_table(h);

	if (r == 0)
		r = search(h, x, name, length, &link);
	if (r == 0)
		return -EEXIST;
	if (r == -ENOENT)
		r = make(h, name, length, size, &n);
	if (r < 0)
		return r;
	assert(n);
	n->hash = x;
	n->type = type;
	if (data)
		memcpy(heap_at(h, n->object), data, (size_t)size);
	else
		memset(heap_at(h, n->object), 0, (size_t)size);
	lock_naming(h);
	link = bucket(h, x);
	if (!link)
		return -EUCLEAN;
	n->next = *link;
	log_set(h, link, heap_position(h, n));
	log_set(h, &heap_header(h)->names, heap_header(h)->names + 1);
	if (heap_header(h)->names > heap_header(h)->buckets)
		add_bucket(h);
	*ret = heap_at(h, n->object);
	return 0;
}

_public_ int shmfs_heap_construct(struct shmfs_heap *heap, const char *name,
				  uint64_t type, uint64_t size, const void *data,
				  void **ret)
{
	size_t length;
	void *object = NULL;
	int64_t mark;
	int r = check_name(name, &length);

	if (r < 0)
		return r;
	mark = lock_enter(heap);
	if (mark < 0)
		return (int)mark;
	r = construct(heap, name, length, type, size, data, &object);
	r = lock_leave(heap, mark, r);
	if (r == 0)
		*ret = object;
	return r;
}

_public_ int shmfs_heap_find_or_construct(struct shmfs_heap *heap, const char *name,
					  uint64_t type, uint64_t size, const void *data,
					  void **ret)
{
	int r;

	do {
		r = shmfs_heap_find(heap, name, type, size, ret);
		if (r != -ENOENT)
			return r;
		r = shmfs_heap_construct(heap, name, type, size, data, ret);
	} while (r == -EEXIST);
	return r;
}

static int destroy(struct shmfs_heap *h, const char *name, size_t length)
{
	struct format_name *n;
	uint64_t *link, position;
	int r = heap_header(h)->buckets ? 0 : -ENOENT;

	if (r == 0)
		r = search(h, hash(h, name, length), name, length, &link);
	if (r < 0)
		return r;
	position = *link;
	n = name_at(h, position);
	if (!n)
		return -EUCLEAN;
	lock_naming(h);
	log_set(h, link, n->next);
	log_set(h, &heap_header(h)->names, heap_header(h)->names - 1);
	r = memory_free(h, position);
	return r == -EINVAL ? -EUCLEAN : r;
}

_public_ int shmfs_heap_destroy(struct shmfs_heap *heap, const char *name)
{
	size_t length;
	int64_t mark;
	int r = check_name(name, &length);

	if (r < 0)
		return r;
	mark = lock_enter(heap);
	return mark < 0 ? (int)mark : lock_leave(heap, mark, destroy(heap, name, length));
}

/*
 * Listing. The names are copied while they are at rest, and the user's function is called
 * afterwards, so it may do anything.
 */
struct list {
	char *bytes; /* struct listed, one behind the other */
	size_t used, room;
	uint64_t n;
};

struct listed {
	struct shmfs_heap_name name;
	char text[NAME_LENGTH_MAX + 1];
};

static int list_add(struct list *l, struct shmfs_heap *h, const struct format_name *n)
{
	uint64_t size = __atomic_load_n(&n->size, __ATOMIC_RELAXED);
	uint64_t object = __atomic_load_n(&n->object, __ATOMIC_RELAXED);
	uint32_t length = length_of(n);
	struct listed *to;

	if (length > NAME_LENGTH_MAX || !name_fits(h, n, length) ||
	    !heap_has(h, object, size))
		return -EUCLEAN;
	if (l->used + sizeof(*to) > l->room) {
		size_t room = l->room ? l->room * 2 : 16 * sizeof(*to);
		void *bytes = realloc(l->bytes, room);

		if (!bytes)
			return -ENOMEM;
		l->bytes = bytes;
		l->room = room;
	}
	to = (void *)(l->bytes + l->used);
	to->name = (struct shmfs_heap_name){
		.type = n->type,
		.size = size,
		.object = object,
	};
	memcpy(to->text, n->name, length);
	to->text[length] = '\0';
	l->used += sizeof(*to);
	l->n++;
	return 0;
}

static int list_all(struct shmfs_heap *h, struct list *l)
{
	uint64_t n = count_buckets(h), names = heap_header(h)->names;
	int r = n || !heap_header(h)->buckets ? 0 : -EUCLEAN;

	l->used = 0;
	l->n = 0;
	for (uint64_t i = 0; r == 0 && i < n; i++) {
		const uint64_t *link = bucket_at(h, i);

		while (r == 0 && link && *link) {
			const struct format_name *name = name_at(h, *link);

			/* More than there are is a circle. */
			if (!name || l->n > names)
				return -EUCLEAN;
			r = list_add(l, h, name);
			link = &name->next;
		}
		if (!link)
			return -EUCLEAN;
	}
	return r;
}

static int list_at_rest(struct shmfs_heap *h, struct list *l)
{
	const uint32_t *sequence = &heap_header(h)->sequence;
	uint32_t before = __atomic_load_n(sequence, __ATOMIC_ACQUIRE);
	int r;

	if (before % 2)
		return -EAGAIN;
	r = list_all(h, l);
	atomic_thread_fence(memory_order_acquire);
	return __atomic_load_n(sequence, __ATOMIC_RELAXED) == before ? r : -EAGAIN;
}

static int list_names(struct shmfs_heap *h, struct list *l)
{
	int r = h->writable ? lock_hold(h) : -EAGAIN;

	if (r == 0) {
		r = list_all(h, l);
		lock_release(h);
		return r;
	}
	for (int i = 0; r == -EAGAIN && i < ATTEMPTS; i++) {
		r = list_at_rest(h, l);
		if (r == -EAGAIN)
			sched_yield();
	}
	return r == -EAGAIN ? -EBUSY : r;
}

_public_ int shmfs_heap_list(struct shmfs_heap *heap, shmfs_heap_fn fn, void *data)
{
	struct list l = { .bytes = NULL };
	int r = list_names(heap, &l);

	for (size_t at = 0; r == 0 && at < l.used; at += sizeof(struct listed)) {
		struct listed *listed = (void *)(l.bytes + at);

		listed->name.name = listed->text;
		r = fn(&listed->name, data);
	}
	free(l.bytes);
	return r;
}
