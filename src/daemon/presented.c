/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "daemon/log.h"
#include "daemon/presented.h"
#include "native/caller.h"

static void explain_kind(const struct options *o, const struct kind_ops *of, int error)
{
	const char *why = strerror(-error);

	if (of != &kind_posix)
		log_error("kind=%s: %s: it takes System V IPC in the kernel, and "
			  "/proc/sysvipc",
			  of->name, why);
	else if (error == -EMFILE || error == -ENOSPC)
		log_error("shm_dir=%s cannot be watched: %s: see fs.inotify in sysctl(8)",
			  o->shm_dir, why);
	else
		log_error("shm_dir=%s: %s: it must be the directory of a tmpfs",
			  o->shm_dir, why);
}

static int open_kind(const struct options *o, const struct kind_ops *of,
		     struct kind **ret)
{
	struct kind_config config = {
		.shm_dir = o->shm_dir,
		.reserve = o->reserve,
		.noatime = o->noatime,
		.changes = o->coherence == COHERENCE_NOTIFY,
	};
	int r = kind_new(of, &config, ret);

	if (r < 0)
		explain_kind(o, of, r);
	return r;
}

/* Adds one of @n file systems, among which the limits are shared out. */
static int add_fs(const struct options *o, const struct kind_ops *of, unsigned int n,
		  const struct limits *l, const struct fs_backing *backing,
		  struct tree *tree)
{
	_cleanup_(cleanup_kind) struct kind *kind = NULL;
	struct fs_config config;
	struct fs *fs;
	int r = open_kind(o, of, &kind);

	if (r < 0)
		return r;
	config = (struct fs_config){
		.kind = kind,
		.files = limits_share(l->files, n),
		.handles = limits_share(l->handles, n),
		.shared = caller_serves_all(),
		.keeps = o->coherence == COHERENCE_NOTIFY,
	};
	if (o->passthrough != PASSTHROUGH_OFF)
		config.backing = backing;
	r = fs_new(&config, &fs);
	if (r < 0) {
		log_error("no file system: %s", strerror(-r));
		return r;
	}
	kind = NULL; /* taken over */
	tree_add(tree, of->name, fs);
	return 0;
}

int presented_make(const struct options *o, const struct limits *l,
		   const struct fs_backing *backing, struct tree *ret)
{
	const struct kind_ops *kind = o->kind;
	unsigned int n = 0;
	int r;

	while (kind->members && kind->members[n])
		n++;
	/* What holds the members takes no descriptors. */
	r = add_fs(o, kind, n ? n : 1, l, backing, ret);
	for (unsigned int i = 0; r == 0 && i < n; i++)
		r = add_fs(o, kind->members[i], n, l, backing, ret);
	return r;
}

const char *presented_subject(const struct options *o)
{
	if (o->kind->members)
		return "all kinds";
	return o->kind == &kind_posix ? o->shm_dir : "System V segments";
}
