/* SPDX-License-Identifier: MIT */
/*
 * Nothing is between the players but what they share: the test waits until there is
 * something to share, and then for their ends.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"
#include "mount.h"
#include "share/players.h"
#include "util/cleanup.h"

void player_needs(const struct player *player)
{
	if (getenv(player->program))
		return;
	print_message("skipped: this build has no player for %s\n", player->label);
	skip();
}

static bool is_native(const char *how)
{
	return strcmp(how, "native") == 0 || strcmp(how, "shmfs") == 0;
}

static _Noreturn void become(const struct player *player, const struct game *game,
			     const char *how, const char *role)
{
	const char *words[8] = { getenv(player->program) };
	char size[24];
	size_t n = 1;

	snprintf(size, sizeof(size), "%" PRIu64, game->size);
	if (player->script)
		words[n++] = getenv(player->script);
	words[n++] = how;
	words[n++] = is_native(how) ? game->name : at(MOUNT_DIR, game->name);
	words[n++] = role;
	words[n++] = game->number;
	words[n++] = size;
	execv(words[0], (char *const *)words);
	perror(words[0]);
	_exit(127);
}

pid_t player_start(const struct player *player, const struct game *game, const char *role,
		   int *ret_output)
{
	const char *how = player->how;
	int ends[2];
	pid_t pid;

	if (!how)
		how = mount_passthrough() ? game->on_mount : "direct";
	must(pipe2(ends, O_CLOEXEC));
	pid = must(fork());
	if (pid == 0) {
		if (ret_output)
			dup2(ends[1], STDOUT_FILENO);
		become(player, game, how, role);
	}
	close(ends[1]);
	if (ret_output)
		*ret_output = ends[0];
	else
		close(ends[0]);
	return pid;
}

void player_expect_success(pid_t pid, const struct player *player)
{
	int status = 0;

	must(waitpid(pid, &status, 0));
	if (status != 0)
		fail_msg("%s ended with status %#x", player->label, (unsigned int)status);
}

void players_play(const struct game *game, const struct player *leader,
		  const struct player *follower)
{
	_cleanup_close_ int output = -1;
	pid_t leading, following;
	char said = 0;

	leading = player_start(leader, game, "lead", &output);
	while (said != '\n') {
		if (must(read(output, &said, 1)) == 0)
			player_expect_success(leading, leader);
	}
	following = player_start(follower, game, "follow", NULL);
	player_expect_success(following, follower);
	player_expect_success(leading, leader);
}
