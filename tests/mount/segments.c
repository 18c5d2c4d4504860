/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "files.h"
#include "mount.h"
#include "segments.h"
#include "util/cleanup.h"

#ifndef SHM_STAT_ANY
#define SHM_STAT_ANY 15 /* Linux 4.17 */
#endif

#define COLUMNS 16

int segments_setup_dirs(void **state)
{
	must(unshare(CLONE_NEWIPC));
	return mount_setup_dirs(state);
}

void segments_mount(void)
{
	mount_start("kind=sysv");
}

int segments_setup(void **state)
{
	segments_setup_dirs(state);
	segments_mount();
	return 0;
}

const char *key_name(key_t key)
{
	static char names[8][16];
	static unsigned int next;
	char *name = names[next++ % 8];

	snprintf(name, sizeof(names[0]), "0x%08x", (unsigned int)key);
	return name;
}

const char *id_name(int id)
{
	static char names[8][16];
	static unsigned int next;
	char *name = names[next++ % 8];

	snprintf(name, sizeof(names[0]), "id-%d", id);
	return name;
}

const char *key_path(key_t key)
{
	return at(MOUNT_DIR, key_name(key));
}

const char *id_path(int id)
{
	return at(MOUNT_DIR, id_name(id));
}

int segment_make(key_t key, size_t size, mode_t mode)
{
	return must(shmget(key, size, IPC_CREAT | IPC_EXCL | (int)mode));
}

struct making {
	key_t key;
	size_t size;
	mode_t mode;
	int *id; /* in shared memory: the status of a child has no room for it */
};

static int make(const void *arg)
{
	const struct making *m = arg;

	*m->id = shmget(m->key, m->size, IPC_CREAT | IPC_EXCL | (int)m->mode);
	return *m->id < 0 ? -errno : 0;
}

int segment_make_as(const struct person *who, key_t key, size_t size, mode_t mode)
{
	int *id = must((int *)mmap(NULL, sizeof(*id), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	const struct making m = { key, size, mode, id };
	int r = person_do(who, make, &m);
	int made = *id;

	must(munmap(id, sizeof(*id)));
	if (r < 0)
		fail_msg("shmget by %s: %s", who->name, strerror(-r));
	return made;
}

void segment_give(int id, uid_t uid, gid_t gid, mode_t mode)
{
	struct shmid_ds ds = segment_status(id);

	ds.shm_perm.uid = uid;
	ds.shm_perm.gid = gid;
	ds.shm_perm.mode = (unsigned short)mode;
	must(shmctl(id, IPC_SET, &ds));
}

void segment_remove(int id)
{
	must(shmctl(id, IPC_RMID, NULL));
}

char *segment_attach(int id, int flags)
{
	return must((char *)shmat(id, NULL, flags));
}

void segment_detach(volatile char *address)
{
	must(shmdt((void *)(uintptr_t)address));
}

static int get_status(int id, struct shmid_ds *ret)
{
	int found = shmctl(id, SHM_STAT_ANY, ret);

	return found < 0 ? -errno : found == id ? 0 : -EINVAL;
}

struct shmid_ds segment_status(int id)
{
	struct shmid_ds ds = { 0 };
	int r = get_status(id, &ds);

	if (r < 0)
		fail_msg("segment %d: %s", id, strerror(-r));
	return ds;
}

unsigned long segment_nattch(int id)
{
	return segment_status(id).shm_nattch;
}

bool segment_exists(int id)
{
	struct shmid_ds ds;

	return get_status(id, &ds) == 0;
}

int segment_find(key_t key)
{
	return must(shmget(key, 0, 0));
}

void segment_put(int id, size_t offset, const char *text)
{
	char *p = segment_attach(id, 0);

	memcpy(p + offset, text, strlen(text));
	segment_detach(p);
}

void segment_expect(int id, size_t offset, const char *text)
{
	char *p = segment_attach(id, SHM_RDONLY);

	assert_memory_equal(p + offset, text, strlen(text));
	segment_detach(p);
}

/* Cuts @line into words; their number. */
static size_t cut(char *line, char *words[COLUMNS])
{
	char *rest = NULL;
	size_t n = 0;

	for (char *word = strtok_r(line, " \n", &rest); word && n < COLUMNS;
	     word = strtok_r(NULL, " \n", &rest))
		words[n++] = word;
	return n;
}

static FILE *open_table(void)
{
	FILE *table = fopen("/proc/sysvipc/shm", "re");

	assert_non_null(table);
	return table;
}

long long segment_column(int id, const char *name)
{
	char head[512], line[512], *names[COLUMNS], *words[COLUMNS];
	FILE *table = open_table();
	long long found = -1;
	size_t n, i = 0;

	assert_non_null(fgets(head, sizeof(head), table));
	n = cut(head, names);
	while (i < n && strcmp(names[i], name) != 0)
		i++;
	assert_true(i < n);
	while (fgets(line, sizeof(line), table))
		if (cut(line, words) == n && strtol(words[1], NULL, 10) == id)
			found = strtoll(words[i], NULL, 10);
	fclose(table);
	return found;
}

unsigned int segments_count(void)
{
	FILE *table = open_table();
	unsigned int lines = 0;
	char line[512];

	while (fgets(line, sizeof(line), table))
		lines++;
	fclose(table);
	return lines - 1;
}

const char *told(const char *path, const char *name)
{
	static char value[256];
	char full[64];
	ssize_t n;

	snprintf(full, sizeof(full), "user.shmfs.%s", name);
	n = getxattr(path, full, value, sizeof(value) - 1);
	if (n < 0)
		fail_msg("%s of %s: %s", full, path, strerror(errno));
	value[n] = '\0';
	return value;
}

void tunable_set(const char *name, const char *value)
{
	_cleanup_close_ int fd = must(open(at("/proc/sys", name), O_WRONLY | O_CLOEXEC));

	if (write(fd, value, strlen(value)) != (ssize_t)strlen(value))
		fail_msg("%s = %s: %s", name, value, strerror(errno));
}
