/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A file system over a fake kind for each test, which at the end must have given back
 * whatever it had open, natively and of its own.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fake.h"
#include "fs/fs.h"
#include "sandbox.h"

struct room {
	struct fake fake;
	struct fs *fs;
	unsigned int fds; /* open before */
};

/* Somebody who asks. */
static const struct caller somebody
	__attribute__((unused)) = { .uid = 1000, .gid = 1000 };

static inline void room_enter_with(struct room *room, bool keeps)
{
	struct fs_config config = { .kind = &room->fake.kind,
				    .backing = &room->fake.backing,
				    .keeps = keeps };

	room->fds = sandbox_count_fds();
	fake_init(&room->fake);
	assert_int_equal(fs_new(&config, &room->fs), 0);
}

static inline void room_enter(struct room *room)
{
	room_enter_with(room, false);
}

static inline void room_leave(struct room *room)
{
	fake_fail(&room->fake, FAKE_ANY, 0, 0);
	room->fs = fs_free(room->fs);
	assert_null(room->fs);
	fake_done(&room->fake);
	assert_int_equal(sandbox_count_fds(), room->fds);
}

static inline int room_setup(void **state)
{
	static struct room room;

	room_enter(&room);
	*state = &room;
	return 0;
}

static inline int room_setup_keeping(void **state)
{
	static struct room room;

	room_enter_with(&room, true);
	*state = &room;
	return 0;
}

static inline int room_teardown(void **state)
{
	room_leave(*state);
	return 0;
}

#define room_test(test) cmocka_unit_test_setup_teardown(test, room_setup, room_teardown)
/* Over a file system of which the kernel keeps names and attributes. */
#define keeping_test(test) \
	cmocka_unit_test_setup_teardown(test, room_setup_keeping, room_teardown)

static inline struct fs_entry lookup(struct room *room, const char *name)
{
	struct fs_entry e = { .node = 0 };

	assert_int_equal(fs_lookup(room->fs, &somebody, name, &e), 0);
	assert_int_not_equal(e.node, 0);
	return e;
}

static inline struct fs_open_file open_node(struct room *room, uint64_t node)
{
	struct fs_open_file file = { .number = 0 };

	assert_int_equal(fs_open(room->fs, &somebody, node, O_RDWR, &file), 0);
	assert_int_not_equal(file.number, 0);
	return file;
}

/* Waits until the handles of lookups are to be let go, and lets them go. */
static inline void expire(struct room *room)
{
	struct pollfd timer = { .fd = fs_timer(room->fs), .events = POLLIN };

	while (room->fake.handles > 0) {
		assert_int_equal(poll(&timer, 1, 5000), 1);
		fs_expire(room->fs);
	}
}
