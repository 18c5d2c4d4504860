/* SPDX-License-Identifier: MIT */
/*
 * What is told about segments besides their attributes as files: one text each, named as
 * the columns of /proc/sysvipc/shm; and about all of them together.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/shm.h>

#include "native/sysv-status.h"
#include "native/sysv.h"

#ifndef SHM_LOCKED
#define SHM_LOCKED 02000
#endif

#define TEXT_SIZE 64

/* A number of struct shmid_ds. */
struct number {
	const char *name;
	long long (*get)(const struct shmid_ds *ds);
};

#define NUMBER(column, member)                             \
	static long long column(const struct shmid_ds *ds) \
	{                                                  \
		return (long long)ds->member;              \
	}

NUMBER(cpid, shm_cpid)
NUMBER(lpid, shm_lpid)
NUMBER(nattch, shm_nattch)
NUMBER(cuid, shm_perm.cuid)
NUMBER(cgid, shm_perm.cgid)
NUMBER(atime, shm_atime)
NUMBER(dtime, shm_dtime)
NUMBER(ctime_of, shm_ctime)

static const struct number numbers[] = {
	{ "cpid", cpid }, { "lpid", lpid },   { "nattch", nattch }, { "cuid", cuid },
	{ "cgid", cgid }, { "atime", atime }, { "dtime", dtime },   { "ctime", ctime_of },
};

const char *const sysv_told[] = {
	"key",   "shmid", "cpid",  "lpid", "nattch", "cuid",  "cgid",
	"atime", "dtime", "ctime", "rss",  "swap",   "flags", NULL,
};

static const struct number *find_number(const char *name)
{
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (strcmp(numbers[i].name, name) == 0)
			return &numbers[i];
	return NULL;
}

/*
 * Nothing tells of huge pages but what is attached, and to be asked attaches nothing: it
 * would show in nattch, and be the end of what goes with its last attachment.
 */
static void tell_flags(struct sysv_file *f, const struct shmid_ds *ds, int id, char *text)
{
	bool dest = sysv_is_removed(ds);
	bool locked = ds->shm_perm.mode & SHM_LOCKED;
	bool huge = sysv_segments_is_huge(&sysv_kind_of(f->file.kind)->segments, id);

	snprintf(text, TEXT_SIZE, "%s%s%s%s%s", dest ? "dest" : "",
		 dest && locked ? "," : "", locked ? "locked" : "",
		 (dest || locked) && huge ? "," : "", huge ? "hugetlb" : "");
}

static int tell_usage(struct sysv_file *f, bool swap, int id, char *text)
{
	uint64_t rss = id < 0 ? sysv_pending_used(f->pending) : 0, swapped = 0;
	int r = 0;

	if (id >= 0)
		r = sysv_usage_get(&sysv_kind_of(f->file.kind)->usage, id, &rss,
				   &swapped);
	snprintf(text, TEXT_SIZE, "%llu", (unsigned long long)(swap ? swapped : rss));
	return r;
}

static int tell_text(struct sysv_file *f, const char *name, char *text)
{
	const struct number *number = find_number(name);
	struct shmid_ds ds;
	int id, r;

	r = sysv_file_status(f, &ds, &id);
	if (r < 0)
		return r;
	if (number)
		snprintf(text, TEXT_SIZE, "%lld", number->get(&ds));
	else if (strcmp(name, "key") == 0)
		snprintf(text, TEXT_SIZE, "0x%08x", (unsigned int)ds.shm_perm.__key);
	else if (strcmp(name, "shmid") == 0 && id >= 0)
		snprintf(text, TEXT_SIZE, "%d", id);
	else if (strcmp(name, "flags") == 0)
		tell_flags(f, &ds, id, text);
	else if (strcmp(name, "rss") == 0 || strcmp(name, "swap") == 0)
		r = tell_usage(f, strcmp(name, "swap") == 0, id, text);
	else
		r = -ENODATA;
	return r;
}

ssize_t sysv_tell(struct native_file *f, const char *name, void *value, size_t size)
{
	char text[TEXT_SIZE];
	size_t n;
	int r;

	if (f == kind_root(f->kind))
		return -ENODATA;
	r = tell_text(sysv_file_of(f), name, text);
	if (r < 0)
		return r;
	n = strlen(text);
	if (size > 0 && size < n)
		return -ERANGE;
	if (size > 0)
		memcpy(value, text, n);
	return (ssize_t)n;
}

/* How near the limits are: of all memory that segments may have, and of their number. */
int sysv_statfs(struct kind *k, struct statvfs *ret)
{
	unsigned long page = (unsigned long)sysconf(_SC_PAGESIZE);
	uint64_t most = INT64_MAX / page;
	struct shm_info used;
	struct shminfo limits;

	(void)k;
	if (shmctl(0, IPC_INFO, (void *)&limits) < 0 ||
	    shmctl(0, SHM_INFO, (void *)&used) < 0)
		return -errno;
	*ret = (struct statvfs){
		.f_bsize = page,
		.f_frsize = page,
		/* No limit is more than sums of bytes can be. */
		.f_blocks = limits.shmall < most ? limits.shmall : most,
		.f_files = limits.shmmni,
		.f_namemax = 255,
	};
	if (used.shm_tot < ret->f_blocks)
		ret->f_bfree = ret->f_blocks - used.shm_tot;
	if ((unsigned int)used.used_ids < ret->f_files)
		ret->f_ffree = ret->f_files - (unsigned int)used.used_ids;
	ret->f_bavail = ret->f_bfree;
	ret->f_favail = ret->f_ffree;
	return 0;
}
