/* SPDX-License-Identifier: MIT */
/* The kernel tells of each opening and change by inotify; looking alone is no event. */
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "attack/canary.h"
#include "files.h"
#include "mount.h"
#include "util/cleanup.h"

#define EVENTS                                                                     \
	(IN_OPEN | IN_ACCESS | IN_MODIFY | IN_ATTRIB | IN_CLOSE | IN_DELETE_SELF | \
	 IN_MOVE_SELF)

const char *const canaries[] = {
	CANARY_DIR "/root",
	CANARY_DIR "/victim",
	CANARY_DIR "/fifo",
	CANARY_DIR "/device",
};

const size_t canary_count = sizeof(canaries) / sizeof(canaries[0]);

static struct {
	int events;
	struct stat planted[sizeof(canaries) / sizeof(canaries[0])];
} watch;

void canaries_plant(uid_t victim)
{
	/* What a test that failed has left goes first. */
	for (size_t i = 0; i < canary_count; i++)
		unlink(canaries[i]);
	rmdir(CANARY_DIR);
	must(mkdir(CANARY_DIR, 0755));
	file_make(CANARY_DIR, "root", 0666, "canary");
	file_make(CANARY_DIR, "victim", 0666, "canary");
	must(chown(CANARY_DIR "/victim", victim, victim));
	must(mknod(CANARY_DIR "/fifo", S_IFIFO | 0666, 0));
	must(mknod(CANARY_DIR "/device", S_IFCHR | 0666, makedev(1, 7)));
	watch.events = must(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
	for (size_t i = 0; i < canary_count; i++) {
		must(lstat(canaries[i], &watch.planted[i]));
		must(inotify_add_watch(watch.events, canaries[i], EVENTS));
	}
}

static void check(const char *path, const struct stat *planted)
{
	struct stat st;

	must(lstat(path, &st));
	assert_int_equal(st.st_ino, planted->st_ino);
	assert_int_equal(st.st_mode, planted->st_mode);
	assert_int_equal(st.st_uid, planted->st_uid);
	assert_int_equal(st.st_gid, planted->st_gid);
	assert_int_equal(st.st_size, planted->st_size);
	assert_int_equal(st.st_nlink, 1);
	assert_memory_equal(&st.st_ctim, &planted->st_ctim, sizeof(st.st_ctim));
	must(unlink(path));
}

void canaries_check(void)
{
	struct inotify_event e;
	/* It fails for lack of room where there is an event, and of an event otherwise.
	 */
	ssize_t n = read(watch.events, &e, sizeof(e));

	if (n > 0)
		fail_msg("%s was touched: %#x", canaries[e.wd - 1], e.mask);
	assert_int_equal(errno, EAGAIN);
	watch.events = close_fd(watch.events);
	for (size_t i = 0; i < canary_count; i++)
		check(canaries[i], &watch.planted[i]);
	must(rmdir(CANARY_DIR));
}
