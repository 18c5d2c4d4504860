/* SPDX-License-Identifier: MIT */
/*
 * Each act is a thread's: one that hangs is left behind, and the next one is done. Each
 * is done in a place beside the mount before it, which tells how slow the machine is just
 * then.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "busy/bystander.h"
#include "mount.h"
#include "segments.h"
#include "util/clock.h"

#define SLOWER    50
/* Where he has hung once it has failed, and this tells what else would. */
#define SHORT_NS  UINT64_C(1000000000)
#define NATIVE_NS UINT64_C(60000000000)
#define MOMENT_US 200

const char *const act_names[ACTS] = {
	"stat",    "fstat",      "read",         "write", "open",   "close, then lock",
	"removed", "first stat", "missing name", "list",  "create", "unlink",
};

bool act_asks_directory(enum act act)
{
	return act >= ACT_FIRST_STAT;
}

bool act_needs_telling(enum act act)
{
	return act == ACT_STAT || act == ACT_OPEN || act == ACT_REMOVED;
}

bool act_waits_for_directory(enum act act)
{
	return act >= ACT_MISSING;
}

/* His objects of one place; the numbers are what they are for. */
struct ground {
	const struct place *place;
	char whose;
	unsigned int first;
	int known;   /* open */
	int closed;  /* open and locked */
	int removed; /* open and removed */
	int watch;   /* tells its end */
	int id;      /* likewise, of a segment */
};

static struct path path_of(const struct ground *g, enum act act)
{
	return place_path(g->place, g->whose, g->first + act);
}

struct bystander {
	const struct person *who;
	const struct place *place;
	unsigned int skip, first;
	char whose;
	pid_t pid;
	char name[32];
	atomic_bool ready, go, ended;
	struct score scores[ACTS];
	uint64_t native;
};

uint64_t bystander_limit(uint64_t ns, uint64_t native)
{
	return ns + SLOWER * native;
}

static const struct place plain = {
	.name = "plain",
	.dir = PLAIN_DIR,
	.native = PLAIN_DIR,
};

/*
 * What he needs
 */
static int prepare_removed(struct ground *g)
{
	struct path path = path_of(g, ACT_REMOVED);

	g->removed = open(path.text, O_RDWR | O_CLOEXEC);
	if (g->removed < 0)
		return -errno;
	if (!g->place->native) {
		g->id = shmget((key_t)place_key(g->whose, g->first + ACT_REMOVED), 0, 0);
		return g->id < 0 || shmctl(g->id, IPC_RMID, NULL) < 0 ? -errno : 0;
	}
	path = place_native(g->place, g->whose, g->first + ACT_REMOVED);
	g->watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (inotify_add_watch(g->watch, path.text, IN_DELETE_SELF) < 0)
		return -errno;
	return unlink(path.text) < 0 ? -errno : 0;
}

static int prepare(struct ground *g)
{
	struct stat st;

	for (enum act act = 0; act < ACTS; act++)
		if (act != ACT_FIRST_STAT && act != ACT_CREATE && act != ACT_MISSING &&
		    stat(path_of(g, act).text, &st) < 0)
			return -errno;
	g->known = open(path_of(g, ACT_STAT).text, O_RDWR | O_CLOEXEC);
	g->closed = open(path_of(g, ACT_CLOSE).text, O_RDWR | O_CLOEXEC);
	if (g->known < 0 || g->closed < 0 || flock(g->closed, LOCK_EX) < 0)
		return -errno;
	return prepare_removed(g);
}

/*
 * What he does
 */
static int done(long r)
{
	return r < 0 ? -errno : 0;
}

static int stat_path(struct path path)
{
	struct stat st;

	return done(stat(path.text, &st));
}

static int act_fstat(const struct ground *g)
{
	struct stat st;

	return done(fstat(g->known, &st));
}

static int act_read(const struct ground *g)
{
	char c;

	return done(pread(g->known, &c, 1, 0));
}

static int act_write(const struct ground *g)
{
	return done(pwrite(g->known, "x", 1, 0));
}

static int act_open(const struct ground *g)
{
	int fd = open(path_of(g, ACT_OPEN).text, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : done(close(fd));
}

/* What was locked is free for who comes natively, where there is such a lock. */
static int act_close(const struct ground *g)
{
	struct path path =
		g->place->native ? place_native(g->place, g->whose, g->first + ACT_CLOSE)
				 : path_of(g, ACT_CLOSE);
	int fd;

	if (close(g->closed) < 0)
		return -errno;
	fd = open(path.text, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (flock(fd, LOCK_EX | LOCK_NB) < 0)
		if (errno != EWOULDBLOCK)
			return -errno;
		else
			usleep(MOMENT_US);
	return done(close(fd));
}

/* The object is gone with its last user, and its memory with it. */
static int act_removed(const struct ground *g)
{
	struct inotify_event event;
	struct shmid_ds ds;

	if (close(g->removed) < 0)
		return -errno;
	if (!g->place->native) {
		while (shmctl(g->id, IPC_STAT, &ds) == 0)
			usleep(MOMENT_US);
		return errno == EINVAL || errno == EIDRM ? 0 : -errno;
	}
	while (read(g->watch, &event, sizeof(event)) < 0 || event.mask != IN_DELETE_SELF)
		usleep(MOMENT_US);
	return 0;
}

static int act_missing(const struct ground *g)
{
	int r = stat_path(path_of(g, ACT_MISSING));

	return r == -ENOENT ? 0 : r == 0 ? -EEXIST : r;
}

static int act_list(const struct ground *g)
{
	DIR *dir = opendir(g->place->dir);
	struct dirent *entry;

	if (!dir)
		return -errno;
	do {
		errno = 0;
		entry = readdir(dir);
	} while (entry);
	if (errno != 0)
		return -errno;
	return done(closedir(dir));
}

static int act_create(const struct ground *g)
{
	int fd = open(path_of(g, ACT_CREATE).text, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
		      0600);

	if (fd < 0 || ftruncate(fd, 4096) < 0)
		return -errno;
	return done(close(fd));
}

static int do_act(const struct ground *g, enum act act)
{
	switch (act) {
	case ACT_STAT:
	case ACT_FIRST_STAT:
		return stat_path(path_of(g, act));
	case ACT_FSTAT:
		return act_fstat(g);
	case ACT_READ:
		return act_read(g);
	case ACT_WRITE:
		return act_write(g);
	case ACT_OPEN:
		return act_open(g);
	case ACT_CLOSE:
		return act_close(g);
	case ACT_REMOVED:
		return act_removed(g);
	case ACT_MISSING:
		return act_missing(g);
	case ACT_LIST:
		return act_list(g);
	case ACT_CREATE:
		return act_create(g);
	case ACT_UNLINK:
		return done(unlink(path_of(g, act).text));
	case ACTS:
		break;
	}
	return -EINVAL;
}

/*
 * One after the other
 */
struct errand {
	const struct ground *ground;
	enum act act;
	uint64_t ns;
	int result;
};

static void *run_errand(void *arg)
{
	struct errand *e = arg;
	uint64_t begin = clock_ns();

	e->result = do_act(e->ground, e->act);
	e->ns = clock_ns() - begin;
	return NULL;
}

/* Left behind where it hangs. */
static struct score measure(const struct ground *g, enum act act, uint64_t limit)
{
	struct errand *e = calloc(1, sizeof(*e));
	struct score score = { limit, -ETIME };
	struct timespec end;
	pthread_t thread;

	if (!e)
		return (struct score){ 1, -ENOMEM };
	*e = (struct errand){ .ground = g, .act = act };
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += (time_t)(limit / 1000000000u);
	if (pthread_create(&thread, NULL, run_errand, e) != 0)
		return (struct score){ 1, -EAGAIN };
	if (pthread_timedjoin_np(thread, NULL, &end) == 0) {
		score = (struct score){ e->ns, e->result };
		free(e);
	}
	return score;
}

static void act_all(struct bystander *b, const struct ground grounds[2])
{
	uint64_t limit;
	bool hung = false;

	for (enum act act = 0; act < ACTS; act++) {
		uint64_t native = measure(&grounds[0], act, NATIVE_NS).ns;

		if (native > b->native)
			b->native = native;
		if (b->skip & 1u << act)
			continue;
		limit = bystander_limit(act_asks_directory(act) ? DIRECTORY_NS : BUSY_NS,
					native);
		limit = hung ? SHORT_NS : limit;
		b->scores[act] = measure(&grounds[1], act, limit);
		hung = hung || b->scores[act].result == -ETIME;
	}
}

static int live(const void *arg)
{
	struct bystander *b = (struct bystander *)(uintptr_t)arg;
	struct ground grounds[2] = {
		{ .place = &plain, .whose = b->whose, .first = b->first },
		{ .place = b->place, .whose = b->whose, .first = b->first },
	};
	int r = prepare(&grounds[0]);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (r == 0)
		r = prepare(&grounds[1]);
	b->scores[0].result = r;
	atomic_store(&b->ready, true);
	while (r == 0 && !atomic_load(&b->go))
		usleep(1000);
	if (r == 0)
		act_all(b, grounds);
	atomic_store(&b->ended, true);
	return 0;
}

struct bystander *bystander_begin(const struct person *who, const struct place *place,
				  unsigned int skip)
{
	static unsigned int next;
	struct bystander *b = must(mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE,
					MAP_SHARED | MAP_ANONYMOUS, -1, 0));

	*b = (struct bystander){
		.who = who,
		.place = place,
		.skip = skip,
		.first = next,
		.whose = 'b',
	};
	next += ACTS;
	snprintf(b->name, sizeof(b->name), "%s's %s", who->name, place->name);
	for (enum act act = 0; act < ACTS; act++) {
		if (act == ACT_CREATE || act == ACT_MISSING)
			continue;
		place_make(&plain, b->whose, b->first + act, who->uid);
		place_make(place, b->whose, b->first + act, who->uid);
	}
	b->pid = person_start(who, live, b);
	return b;
}

bool bystander_is_ready(const struct bystander *b)
{
	return atomic_load(&b->ready);
}

void bystander_go(struct bystander *b)
{
	atomic_store(&b->go, true);
}

bool bystander_has_ended(const struct bystander *b)
{
	return atomic_load(&b->ended);
}

const struct score *bystander_scores(const struct bystander *b)
{
	return b->scores;
}

uint64_t bystander_native(const struct bystander *b)
{
	return b->native;
}

const char *bystander_name(const struct bystander *b)
{
	return b->name;
}

/* Who hangs in the kernel is left to the watchdog. */
void bystander_free(struct bystander *b)
{
	kill(b->pid, SIGKILL);
	for (int i = 0; i < 1000 && waitpid(b->pid, NULL, WNOHANG) == 0; i++)
		usleep(1000);
	for (enum act act = 0; act < ACTS; act++) {
		place_remove(&plain, b->whose, b->first + act);
		place_remove(b->place, b->whose, b->first + act);
	}
	munmap(b, sizeof(*b));
}
