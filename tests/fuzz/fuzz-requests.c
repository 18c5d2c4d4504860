/* SPDX-License-Identifier: MIT */
/*
 * The whole path of a request: libfuse, the adapter, the file system, over the fake kind.
 * An input says how the mount is, then what happens one after the other: requests of any
 * content (request.h), and what native users do, what fails, who is gone. The other side
 * of the session (kernel-side.h) holds every answer against what a kernel takes; at the
 * end nothing must be left, here and natively.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "../fs/fake.h"
#include "daemon/ops.h"
#include "daemon/passthrough.h"
#include "daemon/waiter.h"
#include "fs/internal.h"
#include "request.h"
#include "target.h"

#define STEPS_MAX 48 /* the tables of the fake hold what so many requests make */
#define LOCKS_MAX 16 /* likewise: of these each may cut one into three */

/* Opcodes of the input that stand for something else than a request. */
enum event {
	EVENT_ADD = 192, /* an object is made natively, and so on */
	EVENT_TAKE,
	EVENT_REPLACE,
	EVENT_MOVE,
	EVENT_LINK,
	EVENT_CHANGE,
	EVENT_LOCK,
	EVENT_LOST, /* the watch lost some */
	EVENT_TELL, /* the thread that watches has its turn */
	EVENT_EXPIRE,
	EVENT_FAIL, /* of the native calls to come one fails */
	EVENT_GONE, /* who asks next does not wait for the answer */
	EVENTS_END,
};

#define FAKES_MAX 2

struct world {
	struct kernel kernel;
	struct fake fakes[FAKES_MAX];
	unsigned int n_fakes;
	struct ops_context context;
	struct fuse_session *session;
	int requests; /* where the session reads from: the end to write to */
	unsigned int interrupts, locks;
};

static struct world world;
static pthread_t serving; /* the thread that requests come to */

/*
 * The fake kind, which here can wait for a lock, as the native one can: until it has it
 * or a signal comes.
 */
static void tell_attempt(void)
{
	if (!pthread_equal(pthread_self(), serving))
		kernel_attempt(&world.kernel);
}

static int fuzz_flock(struct native_file *f, int operation)
{
	int r;

	tell_attempt();
	do
		r = fake_flock(f, operation | LOCK_NB);
	while (r == -EWOULDBLOCK && !(operation & LOCK_NB) && poll(NULL, 0, 1) == 0);
	return r == -EWOULDBLOCK && !(operation & LOCK_NB) ? -EINTR : r;
}

static int fuzz_lock(struct native_file *f, int command, struct flock *lock)
{
	int r;

	tell_attempt();
	do
		r = fake_record_lock(f, command, lock);
	while (r == -EAGAIN && command == F_OFD_SETLKW && poll(NULL, 0, 1) == 0);
	return r == -EAGAIN && command == F_OFD_SETLKW ? -EINTR : r;
}

static struct kind_ops fuzz_kinds[FAKES_MAX]; /* the second is bounded */

/* The fake behind file system @i: where there are several, the first has no files. */
static struct fake *fake_at(unsigned int i)
{
	unsigned int others = world.n_fakes > 1 ? 1 : 0;

	must(i >= others);
	return &world.fakes[i - others];
}

static bool has_backing(unsigned int i, int id)
{
	struct fake *f = fake_at(i);
	bool has;

	pthread_mutex_lock(&f->lock);
	has = id > 0 && id < FAKE_MAX && f->backing_ids[id];
	pthread_mutex_unlock(&f->lock);
	return has;
}

/*
 * Life of a session
 */

/* How the mount is: the first byte of an input. */
#define MOUNT_KEEPS       (1u << 0)
#define MOUNT_PASSTHROUGH (1u << 1)
#define MOUNT_LIMITED     (1u << 2) /* to a few open files */
#define MOUNT_GIVES_BACK  (1u << 3) /* the kernel forgets all before it ends */
#define MOUNT_ENTRY_ATTR  (1u << 4)
#define MOUNT_ALL         (1u << 5) /* of two kinds; not together with the first */

static void add_fs(struct world *w, unsigned int how, const char *name, struct kind *kind,
		   const struct fs_backing *backing)
{
	const struct fs_config config = {
		.kind = kind,
		.backing = how & MOUNT_PASSTHROUGH ? backing : NULL,
		.files = how & MOUNT_LIMITED ? 4 : 0,
		.handles = how & MOUNT_LIMITED ? 2 : 0,
		.keeps = how & MOUNT_KEEPS,
	};
	struct fs *fs;

	must(fs_new(&config, &fs) == 0);
	tree_add(&w->context.tree, name, fs);
}

static void add_fake(struct world *w, unsigned int how, const char *name)
{
	struct fake *f = &w->fakes[w->n_fakes];

	fake_init(f);
	f->kind.ops = &fuzz_kinds[w->n_fakes++];
	add_fs(w, how, name, &f->kind, &f->backing);
}

static void start_fs(struct world *w, unsigned int how)
{
	const struct kind_config config = { .shm_dir = NULL };
	struct kind *all;

	if (how & MOUNT_ALL) {
		must(kind_new(&kind_all, &config, &all) == 0);
		add_fs(w, how, "all", all, &w->fakes[0].backing);
	}
	add_fake(w, how, "posix");
	if (how & MOUNT_ALL)
		add_fake(w, how, "sysv");
	w->context.passthrough = how & MOUNT_PASSTHROUGH;
	w->context.keeps = how & MOUNT_KEEPS;
	w->context.name_timeout = 1000;
	w->context.keeps_entry_attr = how & MOUNT_ENTRY_ATTR;
}

/* A session as after mounting, on a descriptor of ours. */
static void start_session(struct world *w, unsigned int how)
{
	struct fuse_args args = FUSE_ARGS_INIT(1, (char *[]){ (char *)"shmfs" });
	char path[32];
	int fds[2];

	must(pipe(fds) == 0);
	snprintf(path, sizeof(path), "/dev/fd/%d", fds[0]);
	w->requests = fds[1];
	w->session = fuse_session_new(&args, &ops, sizeof(ops), &w->context);
	must(w->session);
	fuse_opt_free_args(&args);
	must(fuse_session_mount(w->session, path) == 0);
	must(passthrough_attach(w->session) == 0);
	w->kernel.keeps = how & MOUNT_KEEPS;
	w->kernel.has_backing = has_backing;
	w->kernel.n_fs = w->context.tree.n;
	kernel_begin(&w->kernel, fds[0]);
}

struct init_in {
	struct fuse_in_header header;
	uint32_t major, minor, max_readahead, flags, flags2, unused[11];
};

/* The first request goes the way of all of the daemon's, as it is looked at there. */
static void serve_init(struct world *w, struct input *in)
{
	struct init_in init = {
		.header = { sizeof(init), FUSE_INIT, 2, .nodeid = 0 },
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_readahead = 65536,
	};
	struct fuse_buf buf = { .mem = NULL };
	struct asked *a;

	input_bytes(in, &init.flags, sizeof(init.flags));
	input_bytes(in, &init.flags2, sizeof(init.flags2));
	w->kernel.offered = init.flags;
	if (init.flags & FUSE_INIT_EXT)
		w->kernel.offered |= (uint64_t)init.flags2 << 32;
	a = kernel_ask(&w->kernel, &init.header);
	must(write(w->requests, &init, sizeof(init)) == sizeof(init));
	must(fuse_session_receive_buf(w->session, &buf) == sizeof(init));
	fuse_session_process_buf(w->session, &buf);
	free(buf.mem);
	kernel_asked(&w->kernel, a);
}

static void start(struct world *w, struct input *in)
{
	unsigned int how = input_byte(in);

	if (how & MOUNT_ALL)
		how &= ~MOUNT_KEEPS;
	memset(w, 0, sizeof(*w));
	must(waiter_init() == 0 && waiter_open() == 0);
	start_fs(w, how);
	start_session(w, how);
	serve_init(w, in);
}

/* In the daemon's order. */
static void stop(struct world *w)
{
	tree_done(&w->context.tree);
	for (unsigned int i = 0; i < w->n_fakes; i++)
		fake_done(&w->fakes[i]);
	fuse_session_destroy(w->session);
	kernel_end(&w->kernel);
	close(w->requests);
}

/*
 * Requests
 */
static void process(struct world *w, struct fuse_in_header *request)
{
	struct fuse_buf buf = { .size = request->len, .mem = request };
	struct asked *a = kernel_ask(&w->kernel, request);

	fuse_session_process_buf(w->session, &buf);
	free(request);
	kernel_asked(&w->kernel, a);
}

static bool is_lock(uint32_t opcode)
{
	return opcode == FUSE_SETLK || opcode == FUSE_SETLKW || opcode == EVENT_LOCK;
}

static void send(struct world *w, const struct choice *c, struct input *in)
{
	process(w, request_new(&w->kernel, c, in));
	if (c->opcode == FUSE_INTERRUPT)
		w->interrupts++;
}

static void send_plain(struct world *w, uint32_t opcode, uint64_t node, const void *body,
		       size_t size)
{
	struct fuse_in_header *request = malloc(sizeof(*request) + size);

	must(request);
	*request = (struct fuse_in_header){
		.len = (uint32_t)(sizeof(*request) + size),
		.opcode = opcode,
		.unique = 2 * (w->kernel.n_asked + UINT64_C(1)),
		.nodeid = node,
	};
	if (size)
		memcpy(request + 1, body, size);
	process(w, request);
}

/*
 * What happens besides requests
 */
static void hear_name(void *context, const char *name)
{
	(void)context;
	must(strlen(name) <= 255);
}

static void hear_node(void *context, uint64_t node)
{
	(void)context;
	must(node != 0);
}

static void hear(void *context)
{
	(void)context;
}

static void tell(struct fs *fs)
{
	static const struct fs_listener listener = { hear_name, hear_node, hear, hear,
						     NULL };
	char name[256];
	int r;

	if (fs->keeps) {
		while ((r = fs_tell_changes(fs, &listener)) > 0)
			;
		must(r == 0);
		return;
	}
	while ((r = fs_removed(fs, name)) != 0)
		if (r < 0)
			fs_sweep(fs, hear_name, NULL);
}

/* What the thread that watches does. */
static void watch(struct world *w, bool expires)
{
	unsigned int n = w->context.tree.n;

	for (unsigned int i = n > 1 ? 1 : 0; i < n; i++)
		if (expires)
			fs_expire(w->context.tree.fs[i]);
		else
			tell(w->context.tree.fs[i]);
}

/* One of the errors that native calls have. */
static int error_of(unsigned int choice)
{
	static const int errors[] = {
		ENOMEM, EIO,    ENOENT, EACCES, EPERM,      ESTALE, EAGAIN,
		EINTR,  ENOSPC, EEXIST, EMFILE, EOPNOTSUPP, ELOOP,
	};

	return -errors[choice % (sizeof(errors) / sizeof(*errors))];
}

static void fail(struct fake *f, const struct choice *c)
{
	unsigned int op = c->node % (FAKE_ANY + 1);

	fake_fail(f, op, 1 + c->file, error_of(c->name));
}

/* The same as in requests, but objects' names only. */
static const char *native_name(unsigned int choice)
{
	return request_name((choice + 5) % 6);
}

/* What is not there cannot be taken, and so on. */
static void happen_to(struct fake *f, const struct choice *c)
{
	const char *name = native_name(c->name & 15), *to = native_name(c->name >> 4);
	struct fake_object *o = fake_find(f, name);

	if (c->opcode == EVENT_ADD && !o)
		o = fake_add(f, name);
	if (!o)
		return;
	if (c->opcode == EVENT_TAKE)
		fake_take(f, name);
	if (c->opcode == EVENT_REPLACE)
		fake_replace(f, name);
	if (c->opcode == EVENT_MOVE && o != fake_find(f, to))
		fake_move(f, name, to);
	if (c->opcode == EVENT_LINK && !fake_find(f, to))
		fake_link(f, name, to);
	if (c->opcode == EVENT_CHANGE)
		o->info.stat.st_mode = S_IFREG | (c->node & 0777);
	if (c->opcode == EVENT_LOCK)
		fake_lock(f, o, (short)(c->node % 3), c->file, c->file + c->who,
			  1 + c->who % 3);
	fake_event_of(f, name, KIND_GONE | KIND_COME | KIND_CHANGED);
	fake_event_of(f, to, KIND_COME);
}

static void happen(struct world *w, const struct choice *c)
{
	struct fake *f = &w->fakes[c->who & 128 ? w->n_fakes - 1 : 0];

	pthread_mutex_lock(&w->kernel.lock);
	w->kernel.gone = c->opcode == EVENT_GONE;
	pthread_mutex_unlock(&w->kernel.lock);
	if (c->opcode == EVENT_TELL || c->opcode == EVENT_EXPIRE) {
		watch(w, c->opcode == EVENT_EXPIRE);
		return;
	}
	pthread_mutex_lock(&f->lock);
	if (c->opcode == EVENT_LOST)
		fake_event_of(f, "", 0);
	else if (c->opcode == EVENT_FAIL)
		fail(f, c);
	else if (c->opcode != EVENT_GONE)
		happen_to(f, c);
	pthread_mutex_unlock(&f->lock);
}

static void step(struct world *w, struct input *in)
{
	struct choice c;

	input_bytes(in, &c, sizeof(c));
	if (c.opcode == FUSE_NOTIFY_REPLY)
		return;
	if (is_lock(c.opcode) && w->locks++ >= LOCKS_MAX)
		return;
	if (c.opcode >= EVENT_ADD && c.opcode < EVENTS_END)
		happen(w, &c);
	else
		send(w, &c, in);
}

/*
 * The end
 */

/* libfuse keeps interrupts for what it has not seen, until requests push them out. */
static void push_interrupts_out(struct world *w)
{
	while (w->interrupts > 0) {
		send_plain(w, FUSE_STATFS, FUSE_ROOT_ID, NULL, 0);
		w->interrupts--;
	}
}

static void release(struct world *w, uint32_t opcode, const struct kernel_file *f)
{
	struct fuse_release_in in = { .fh = f->number };

	if (f->open)
		send_plain(w, opcode, f->node, &in, sizeof(in));
}

static void check_empty(struct fs *fs)
{
	must(fs->files.used == 0 && fs->dirs.used == 0);
	must(fs->nodes.used == 1);
	must(fs->open.taken == 0);
}

/* As a kernel does before it unmounts: nothing of its own is left then. */
static void give_back(struct world *w)
{
	struct kernel *k = &w->kernel;

	for (unsigned int i = 0; i < k->n_files; i++)
		release(w, FUSE_RELEASE, &k->files[i]);
	for (unsigned int i = 0; i < k->n_dirs; i++)
		release(w, FUSE_RELEASEDIR, &k->dirs[i]);
	for (unsigned int i = 0; i < k->n_nodes; i++) {
		struct fuse_forget_in in = { .nlookup = k->nodes[i].lookups };

		if (in.nlookup)
			send_plain(w, FUSE_FORGET, k->nodes[i].number, &in, sizeof(in));
	}
	for (unsigned int i = 0; i < w->context.tree.n; i++)
		check_empty(w->context.tree.fs[i]);
	for (unsigned int i = 0; i < w->n_fakes; i++)
		must(w->fakes[i].files == 0 && w->fakes[i].lists == 0 &&
		     w->fakes[i].backings == 0);
}

/* libfuse puts another errno in the place of one that is none, and tells about it. */
static void __attribute__((format(printf, 2, 0)))
hear_libfuse(enum fuse_log_level level, const char *format, va_list ap)
{
	char line[256];

	(void)level;
	must(vsnprintf(line, sizeof(line), format, ap) >= 0);
	must(!strstr(line, "bad error value"));
}

static void prepare(void)
{
	fuse_set_log_func(hear_libfuse);
	/* The fake asserts outside of a test. */
	setenv("CMOCKA_TEST_ABORT", "1", 1);
	serving = pthread_self();
	for (unsigned int i = 0; i < FAKES_MAX; i++) {
		fuzz_kinds[i] = fake_kind;
		fuzz_kinds[i].flock = fuzz_flock;
		fuzz_kinds[i].lock = fuzz_lock;
	}
	fuzz_kinds[1].bounded = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct world *w = &world;

	if (!fuzz_kinds[0].name)
		prepare();
	start(w, &in);
	for (unsigned int i = 0; i < STEPS_MAX && in.size > 0; i++)
		step(w, &in);
	must(waiter_stop_all());
	for (unsigned int i = 0; i < w->n_fakes; i++)
		fake_fail(&w->fakes[i], FAKE_ANY, 0, 0);
	w->kernel.gone = false;
	push_interrupts_out(w);
	if (size > 0 && data[0] & MOUNT_GIVES_BACK)
		give_back(w);
	send_plain(w, FUSE_DESTROY, 0, NULL, 0);
	stop(w);
	return 0;
}
