/* SPDX-License-Identifier: MIT */
/*
 * A player (see players.h) in C with nothing but shmget and shmat, as programs were
 * written long before there was a mount. NAME is the key; HOW can only be native.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/shm.h>

#include "exchange.h"

enum { PAGE = 4096 };

static int complain(const char *what)
{
	fprintf(stderr, "player-sysv: %s: %s\n", what, strerror(errno));
	return 1;
}

static void *attach(const char *name, int lead, uint64_t size)
{
	key_t key = (key_t)strtoul(name, NULL, 16);
	int id =
		lead ? shmget(key, size, IPC_CREAT | IPC_EXCL | 0644) : shmget(key, 0, 0);

	return id < 0 ? (void *)-1 : shmat(id, NULL, 0);
}

/*
 * A page of the pattern has its number first, so that none can be taken for another, and
 * then bytes that depend on a seed, so that nothing can be taken for what was before.
 */
static unsigned char page[PAGE];

static void seed_pages(uint32_t seed)
{
	for (uint32_t i = 0; i < PAGE; i++)
		page[i] = (unsigned char)(i * 7 + seed);
}

static const void *page_of(uint64_t number)
{
	memcpy(page, &number, sizeof(number));
	return page;
}

static int fill(unsigned char *at, uint64_t size)
{
	for (uint64_t i = 0; i < size / PAGE; i++)
		memcpy(at + i * PAGE, page_of(i), PAGE);
	return 0;
}

static int check(const unsigned char *at, uint64_t size)
{
	for (uint64_t i = 0; i < size / PAGE; i++)
		if (memcmp(at + i * PAGE, page_of(i), PAGE) != 0) {
			fprintf(stderr, "player-sysv: page %" PRIu64 " differs\n", i);
			return 1;
		}
	return 0;
}

static int lead(const struct exchange *e, uint32_t count)
{
	puts("ready");
	fflush(stdout);
	exchange_lead(e, 1, count);
	return 0;
}

int main(int argc, char *argv[])
{
	struct exchange e = { NULL, -1, 0 };
	uint32_t number;
	void *at;

	if (argc != 6 || strcmp(argv[1], "native") != 0)
		return 2;
	number = (uint32_t)strtoul(argv[4], NULL, 10);
	e.size = strtoull(argv[5], NULL, 10);
	at = attach(argv[2], strcmp(argv[3], "lead") == 0, e.size);
	if (at == (void *)-1)
		return complain(argv[2]);
	seed_pages(number);
	if (strcmp(argv[3], "fill") == 0)
		return fill(at, e.size);
	if (strcmp(argv[3], "check") == 0)
		return check(at, e.size);
	e.words = at;
	if (strcmp(argv[3], "lead") == 0)
		return lead(&e, number);
	exchange_follow(&e, 1, number);
	return 0;
}
