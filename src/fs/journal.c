/* SPDX-License-Identifier: MIT */
/*
 * A process dies between any two instructions, most likely in a system call: that is
 * carried out then, and nobody notes that it was. So what is noted before is enough to
 * see from the names themselves what was done. Others may have changed them since; then
 * it is as if they had come later.
 */
#include <string.h>
#include <time.h>

#include "fs/internal.h"
#include "fs/journal.h"

static const struct journal *before(const struct caller *caller, unsigned int what)
{
	const struct journal *j = caller ? caller->before : NULL;

	return j && j->what & what ? j : NULL;
}

uint64_t journal_request(const struct caller *caller)
{
	return caller && caller->journal ? caller->journal->request : 0;
}

bool journal_is_done(const struct caller *caller, int *ret_result)
{
	const struct journal *j = before(caller, JOURNAL_DONE);

	if (j)
		*ret_result = j->result;
	return j;
}

int journal_done(const struct caller *caller, int result)
{
	struct journal *j = caller ? caller->journal : NULL;

	if (j) {
		j->result = result;
		atomic_signal_fence(memory_order_seq_cst);
		j->what |= JOURNAL_DONE;
	}
	return result;
}

/* A handle of a recent lookup would not do: others may have changed the name since. */
void journal_name(struct fs *fs, const struct caller *caller, const char *name)
{
	struct journal *j = caller ? caller->journal : NULL;
	struct object_info info;

	/* What the first daemon has noted stays. */
	if (!j || j->what & JOURNAL_OBJECT ||
	    kind_identify(fs->kind, NULL, name, &info) < 0)
		return;
	j->object = info.id;
	atomic_signal_fence(memory_order_seq_cst);
	j->what |= JOURNAL_OBJECT;
}

/* Whether @name is now that of the object that was noted. */
static bool is_same(struct fs *fs, const struct journal *j, const char *name)
{
	struct object_info info;

	return kind_identify(fs->kind, NULL, name, &info) == 0 &&
	       memcmp(&info.id, &j->object, sizeof(info.id)) == 0;
}

void journal_link(struct fs *fs, const struct caller *caller, const char *name,
		  const struct object_id *id)
{
	struct journal *j = caller ? caller->journal : NULL;

	if (!j || j->what & JOURNAL_OBJECT)
		return;
	j->object = *id;
	if (is_same(fs, j, name))
		return;
	atomic_signal_fence(memory_order_seq_cst);
	j->what |= JOURNAL_OBJECT;
}

bool journal_has_lost(struct fs *fs, const struct caller *caller, const char *name)
{
	const struct journal *j = before(caller, JOURNAL_OBJECT);

	return j && !is_same(fs, j, name);
}

bool journal_has_got(struct fs *fs, const struct caller *caller, const char *name)
{
	const struct journal *j = before(caller, JOURNAL_OBJECT);

	return j && is_same(fs, j, name);
}

void journal_begin(const struct caller *caller)
{
	struct journal *j = caller ? caller->journal : NULL;
	struct timespec now;

	if (!j || j->what & JOURNAL_SINCE)
		return;
	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	j->since = now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
	atomic_signal_fence(memory_order_seq_cst);
	j->what |= JOURNAL_SINCE;
}

bool journal_has_made(struct fs *fs, const struct caller *caller, const char *name,
		      struct native_file **ret, struct object_info *ret_info)
{
	const struct journal *j = before(caller, JOURNAL_SINCE);

	/* What is bounded is made when it gets its size; and its birth is no time. */
	if (!j || fs->kind->ops->bounded ||
	    kind_lookup(fs->kind, NULL, name, ret, ret_info) < 0)
		return false;
	if (ret_info->stat.st_uid == caller->uid && ret_info->id.birth >= j->since)
		return true;
	*ret = native_file_unref(*ret);
	return false;
}
