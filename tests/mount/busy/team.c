/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "busy/team.h"
#include "mount.h"
#include "threads.h"

#define MOMENT_US 500
/* Between two requests of a thread. */
#define PAUSE_US  100000
#define STACK     65536

const struct person attacker = { .name = "mallory", .uid = 1000, .gid = 1000 };

/* What the processes tell each other. */
static struct board {
	struct attack attack;
	atomic_int error;
	atomic_uint begun; /* threads */
	atomic_bool prepared, hold, held, send, spring, sprung;
} * board;
static pid_t team;

unsigned int attack_objects(const struct attack *a)
{
	unsigned int n = a->n * a->threads;

	return a->hold->objects > 0 && n > a->hold->objects ? a->hold->objects : n;
}

static void wait_for(const atomic_bool *told)
{
	while (!atomic_load(told))
		usleep(MOMENT_US);
}

static int become_attacker(void)
{
	if (setgroups(0, NULL) < 0 ||
	    setresgid(attacker.gid, attacker.gid, attacker.gid) < 0 ||
	    setresuid(attacker.uid, attacker.uid, attacker.uid) < 0)
		return -errno;
	return prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ? -errno : 0;
}

static _Noreturn void hold(void)
{
	const struct attack *a = &board->attack;
	struct trap trap;
	const struct holder h = {
		.place = a->place,
		.trap = &trap,
		.direct = a->direct,
		.n = attack_objects(a),
	};
	int r = trap_set(&trap, 1);

	if (r == 0)
		r = become_attacker();
	wait_for(&board->hold);
	if (r == 0)
		r = hold_take(a->hold, &h);
	atomic_store(&board->error, -r);
	atomic_store(&board->held, r == 0);
	wait_for(&board->spring);
	if (a->hold->spring)
		r = a->hold->spring(&h);
	atomic_store(&board->sprung, r == 0);
	for (;;)
		pause();
}

struct sender {
	const struct request *request;
	struct target target;
};

static void *send_again(void *arg)
{
	struct sender *s = arg;

	atomic_fetch_add(&board->begun, 1);
	for (;;) {
		if (s->target.fd < 0)
			s->target.fd = request_open(s->request, &s->target);
		s->request->send(&s->target);
		usleep(PAUSE_US);
	}
	return NULL;
}

static struct sender *prepare(void)
{
	const struct attack *a = &board->attack;
	struct sender *senders = calloc(a->n * a->threads, sizeof(*senders));

	if (!senders)
		abort();
	for (unsigned int i = 0; i < a->n * a->threads; i++) {
		struct sender *s = &senders[i];

		s->request = &a->first[i / a->threads];
		s->target.place = a->place;
		s->target.n = i % attack_objects(a);
		s->target.path = place_path(a->place, 'h', s->target.n);
		s->target.fd =
			a->hold->unopened ? -1 : request_open(s->request, &s->target);
	}
	atomic_store(&board->prepared, true);
	return senders;
}

static _Noreturn void send_all(void)
{
	const struct attack *a = &board->attack;
	struct sender *senders;
	pthread_attr_t small;
	pthread_t thread;

	if (become_attacker() < 0)
		abort();
	senders = prepare();
	wait_for(&board->send);
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, STACK);
	for (unsigned int i = 0; i < a->n * a->threads; i++)
		if (pthread_create(&thread, &small, send_again, &senders[i]) != 0)
			abort();
	for (;;)
		pause();
}

static void start(void (*run)(void))
{
	pid_t pid = fork();

	if (pid < 0)
		atomic_store(&board->error, errno);
	if (pid == 0)
		run();
}

/* The first process of the namespace, as root. */
static _Noreturn void lead(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	start(hold);
	start(send_all);
	for (;;)
		pause();
}

void team_begin(const struct attack *a)
{
	if (!board)
		board = must(mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	*board = (struct board){ .attack = *a };
	/* As fork(2), with a namespace. */
	team = must((pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0));
	if (team == 0)
		lead();
}

bool team_is_prepared(void)
{
	return atomic_load(&board->prepared);
}

void team_hold(void)
{
	atomic_store(&board->hold, true);
}

bool team_holds(void)
{
	return atomic_load(&board->held);
}

void team_send(void)
{
	atomic_store(&board->send, true);
}

/* Nobody is about to do something: all wait, or have waited at least. */
bool team_is_still(void)
{
	pid_t holder = 0, sender = 0;
	char path[64];
	FILE *children;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)team, (int)team);
	children = fopen(path, "re");
	if (!children)
		return false;
	if (fscanf(children, "%d %d", &holder, &sender) != 2)
		sender = 0;
	fclose(children);
	if (sender == 0 ||
	    atomic_load(&board->begun) != board->attack.n * board->attack.threads)
		return false;
	return threads_in_state(sender, 'R') == 0 &&
	       (board->attack.hold->restless || threads_in_state(holder, 'R') == 0);
}

void team_spring(void)
{
	atomic_store(&board->spring, true);
}

bool team_has_sprung(void)
{
	return atomic_load(&board->sprung);
}

int team_error(void)
{
	return atomic_load(&board->error);
}

void team_kill(void)
{
	if (team > 0)
		kill(team, SIGKILL);
}

bool team_is_gone(void)
{
	if (team > 0 && waitpid(team, NULL, WNOHANG) == team)
		team = 0;
	return team == 0;
}
