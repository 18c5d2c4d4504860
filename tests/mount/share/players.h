/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Programs that play the game of exchange.h, each in a process of its own: started with
 *
 *	PROGRAM [SCRIPT] HOW NAME ROLE NUMBER SIZE
 *
 * where ROLE is lead or follow in NUMBER exchanges over SIZE bytes, which the leader
 * makes before it says "ready". Some can also fill and check: all of the bytes, with the
 * pattern that belongs to NUMBER.
 */
#include <stdint.h>
#include <sys/types.h>

struct player {
	const char *label;
	const char *program; /* the environment variable that names it */
	const char *script;  /* likewise, or NULL */
	const char *how;     /* NULL: the way that the mount allows */
};

/* What is played on: @name, natively and in MOUNT_DIR, of @size. */
struct game {
	const char *name;
	uint64_t size;
	const char *number;
	const char *on_mount; /* the way where mappings are shared */
};

/* Skips the test where the player cannot be had. */
void player_needs(const struct player *player);

/* Starts it; what it prints can be read from @ret_output, where that is wanted. */
pid_t player_start(const struct player *player, const struct game *game, const char *role,
		   int *ret_output);

/* Awaits its end, which has to be a good one. */
void player_expect_success(pid_t pid, const struct player *player);

/* One exchange, to its end. What it was played on stays. */
void players_play(const struct game *game, const struct player *leader,
		  const struct player *follower);
