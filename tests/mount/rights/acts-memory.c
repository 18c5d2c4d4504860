/* SPDX-License-Identifier: MIT */
/* Mapping, in all the ways that rights decide about; and executing. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mount.h"
#include "rights/acts.h"
#include "util/cleanup.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SIZE         4096

/* Uses the mapping for all that @prot lets it be used for. */
static int touch(char *memory, int prot)
{
	if (prot & PROT_READ && strcmp(memory, CONTENT) != 0)
		return -EILSEQ;
	if (prot & PROT_WRITE)
		memory[0] = 'C';
	return 0;
}

static int map(const struct act *a, const struct place *p)
{
	_cleanup_close_ int fd = errno_or(open(p->f, a->flags | O_CLOEXEC));
	char *memory;
	int r;

	if (fd < 0)
		return fd;
	memory = mmap(NULL, SIZE, a->prot, a->share, fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	r = touch(memory, a->prot);
	if (r == 0 && a->then) {
		r = errno_or(mprotect(memory, SIZE, a->then));
		if (r == 0)
			r = touch(memory, a->then);
	}
	munmap(memory, SIZE);
	return r;
}

static int execute(const struct act *a, const struct place *p)
{
	char *const argv[] = { (char *)"true", NULL };
	int status = 0;
	pid_t pid = fork();

	(void)a;
	if (pid == 0) {
		execv(p->f, argv);
		_exit(errno);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -ENOEXEC;
}

struct word {
	const char *name;
	int value;
};

static const struct word accesses[] = { { "r", O_RDONLY },
					{ "w", O_WRONLY },
					{ "rw", O_RDWR } };
static const struct word sharings[] = { { "shared", MAP_SHARED },
					{ "private", MAP_PRIVATE } };
static const struct word prots[] = { { "r", PROT_READ },
				     { "rw", PROT_READ | PROT_WRITE },
				     { "x", PROT_EXEC },
				     { "rwx", PROT_READ | PROT_WRITE | PROT_EXEC } };

static void add_mapping(struct act *acts, size_t *n, const struct word *access,
			const struct word *sharing, const struct word *prot)
{
	struct act a = { .run = map,
			 .flags = access->value,
			 .share = sharing->value,
			 .prot = prot->value };

	snprintf(a.name, sizeof(a.name), "map %s of open %s %s", sharing->name,
		 access->name, prot->name);
	acts_add(acts, n, &a, 1);
}

static void add_protecting(struct act *acts, size_t *n, const struct word *access,
			   const struct word *sharing, const struct word *then)
{
	struct act a = { .run = map,
			 .flags = access->value,
			 .share = sharing->value,
			 .prot = PROT_READ,
			 .then = then->value };

	snprintf(a.name, sizeof(a.name), "mprotect %s of open %s to %s", sharing->name,
		 access->name, then->name);
	acts_add(acts, n, &a, 1);
}

void acts_on_memory(struct act *acts, size_t *n)
{
	const struct act exec = { "execute", .run = execute, .needs = ACT_PROGRAM };

	for (size_t a = 0; a < COUNT(accesses); a++)
		for (size_t s = 0; s < COUNT(sharings); s++)
			for (size_t p = 0; p < COUNT(prots); p++) {
				add_mapping(acts, n, &accesses[a], &sharings[s],
					    &prots[p]);
				/* What is open for writing only cannot be mapped at all.
				 */
				if (accesses[a].value != O_WRONLY && p > 0)
					add_protecting(acts, n, &accesses[a],
						       &sharings[s], &prots[p]);
			}
	acts_add(acts, n, &exec, 1);
}
