/* SPDX-License-Identifier: MIT */
/* The lock is held over the reading: whoever else asks meanwhile is served by it. */
#include "native/sysv-usage.h"
#include "util/clock.h"
#include "util/hash.h"

/* What takes less is read for each that asks: some ten segments are all that most have.
 */
#define CHEAP_NS (100 * 1000)

void sysv_usage_init(struct sysv_usage *u)
{
	*u = (struct sysv_usage){ .table = NULL };
	clock_gettime(CLOCK_REALTIME_COARSE, &u->changed);
	pthread_mutex_init(&u->lock, NULL);
}

void sysv_usage_done(struct sysv_usage *u)
{
	sysv_table_free(u->table);
	pthread_mutex_destroy(&u->lock);
}

/* Those that are there, with their names, but not what is done to them. */
static uint32_t hash_table(const struct sysv_table *t)
{
	uint32_t hash = 0;

	for (size_t i = 0; i < t->n; i++) {
		const struct {
			uint64_t before, size;
			uint32_t id, key, cpid, cuid;
		} row = {
			.before = hash,
			.size = t->rows[i].size,
			.id = (uint32_t)t->rows[i].shmid,
			.key = (uint32_t)t->rows[i].key,
			.cpid = (uint32_t)t->rows[i].cpid,
			.cuid = t->rows[i].cuid,
		};

		hash = hash_bytes(&row, sizeof(row));
	}
	return hash;
}

/* Called with the lock held. */
static void compare(struct sysv_usage *u, const struct sysv_table *t)
{
	uint32_t hash = hash_table(t);

	if (u->table && hash != u->seen)
		clock_gettime(CLOCK_REALTIME_COARSE, &u->changed);
	u->seen = hash;
}

/* For how long what was read serves, if reading it took @took. */
static uint64_t serves_for(uint64_t took)
{
	return took < CHEAP_NS ? 0 : took;
}

/* Called with the lock held. */
static int refresh(struct sysv_usage *u)
{
	struct sysv_table *table;
	uint64_t begin = clock_ns();
	uint64_t end;
	int r;

	if (u->table && begin < u->until)
		return 0;
	r = sysv_table_read(&table);
	if (r < 0)
		return r;
	end = clock_ns();
	compare(u, table);
	sysv_table_free(u->table);
	u->table = table;
	u->until = end + serves_for(end - begin);
	return 0;
}

uint64_t sysv_usage_last(struct sysv_usage *u, int id)
{
	const struct sysv_row *row;
	uint64_t used;

	pthread_mutex_lock(&u->lock);
	row = u->table ? sysv_table_find(u->table, id) : NULL;
	used = row ? row->rss + row->swap : 0;
	pthread_mutex_unlock(&u->lock);
	return used;
}

int sysv_usage_changed(struct sysv_usage *u, struct timespec *ret)
{
	int r;

	pthread_mutex_lock(&u->lock);
	r = refresh(u);
	*ret = u->changed;
	pthread_mutex_unlock(&u->lock);
	return r;
}

int sysv_usage_get(struct sysv_usage *u, int id, uint64_t *ret_rss, uint64_t *ret_swap)
{
	const struct sysv_row *row;
	int r;

	pthread_mutex_lock(&u->lock);
	r = refresh(u);
	row = r == 0 ? sysv_table_find(u->table, id) : NULL;
	*ret_rss = row ? row->rss : 0;
	*ret_swap = row ? row->swap : 0;
	pthread_mutex_unlock(&u->lock);
	return r;
}
