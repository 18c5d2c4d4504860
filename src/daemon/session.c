/* SPDX-License-Identifier: MIT */
/*
 * The order matters. All that can fail is done before anybody is told that the mount is
 * there: the first request, INIT, is served by hand, because only when it is answered
 * does the kernel say whether it lets us pass files through. Threads come after the
 * process has given up what it does not need, since capabilities belong to threads.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "daemon/admission.h"
#include "daemon/background.h"
#include "daemon/confine.h"
#include "daemon/demand.h"
#include "daemon/figures.h"
#include "daemon/groups.h"
#include "daemon/ipcns.h"
#include "daemon/keeper.h"
#include "daemon/kernel.h"
#include "daemon/limits.h"
#include "daemon/log.h"
#include "daemon/loop.h"
#include "daemon/mountpoint.h"
#include "daemon/notify.h"
#include "daemon/ops.h"
#include "daemon/passthrough.h"
#include "daemon/presented.h"
#include "daemon/privileges.h"
#include "daemon/readiness.h"
#include "daemon/removeipc.h"
#include "daemon/requests.h"
#include "daemon/session.h"
#include "daemon/signals.h"
#include "daemon/unmount.h"
#include "daemon/waiter.h"
#include "native/caller.h"
#include "util/cleanup.h"
#include "util/clock.h"

/* How long a new daemon looks for names before it serves. */
#define NAMES_NS (500L * 1000 * 1000)

struct session {
	struct options *options; /* libfuse eats its part of the arguments */
	struct place *place;     /* until it is mounted on */
	struct ops_context context;
	struct fs_backing backing;
	struct limits limits;
	struct fuse_session *fuse;
	struct loop *loop;
	struct notify notify;
	struct unmount unmount;
	struct signals signals;
	struct figures figures;
	struct keeper keeper;      /* where @kept */
	struct requests *requests; /* likewise */
	pthread_t namer;           /* where @names */
	int ready;                 /* as of background_enter() */
	bool for_one;              /* user, and root */
	bool kept;
	bool names; /* are still looked for */
	bool notifies;
	bool hears_signals;
	char status[512];
};

/*
 * Mounts on the directory that is held, whatever its path is by now, and goes back to
 * where we were. fusermount3, which libfuse may run, starts there, too.
 */
static bool mount_held(struct session *s)
{
	_cleanup_close_ int before = open(".", O_PATH | O_CLOEXEC);
	int r = -1;

	if (fchdir(s->place->fd) < 0)
		fprintf(stderr, "%s\n", strerror(errno)); /* as libfuse says it */
	else
		r = fuse_session_mount(s->fuse, ".");
	if (fchdir(before) < 0 && chdir("/") < 0)
		return false;
	/* Without memory libfuse says 0, and that is its device, too. */
	return r == 0 && fuse_session_fd(s->fuse) > STDERR_FILENO;
}

static int mount_session(struct session *s)
{
	const char *message;
	bool mounted;
	int r;

	log_capture();
	s->fuse = fuse_session_new(&s->options->fuse, &ops, sizeof(ops), &s->context);
	mounted = s->fuse && mount_held(s);
	message = log_captured();
	if (!mounted) {
		mountpoint_explain(s->options->mountpoint, message);
		return -EIO;
	}
	r = unmount_mounted(&s->unmount, s->place, &s->options->mountpoint);
	mountpoint_release(s->place);
	if (r < 0) {
		log_error("'%s' is not as it was mounted: %s", s->options->mountpoint,
			  strerror(-r));
		return r;
	}
	s->backing.context = s->fuse;
	if (passthrough_attach(s->fuse) < 0) {
		log_error("libfuse does not let us negotiate with the kernel");
		return -ENOTSUP;
	}
	return 0;
}

/* Serves the one request that the kernel begins with. */
static int serve_init(struct session *s)
{
	struct fuse_buf buf = { .mem = NULL };
	int r = fuse_session_receive_buf(s->fuse, &buf);

	if (r > 0)
		fuse_session_process_buf(s->fuse, &buf);
	free(buf.mem);
	if (r > 0 && !fuse_session_exited(s->fuse) && s->context.initialized)
		return 0;
	log_error("the first request is not served: %s",
		  r < 0 ? strerror(-r) : "the kernel and libfuse do not agree");
	return -EPROTO;
}

/* Finds out how data will flow, and says so, or that it may not flow so. */
static int settle_io(struct session *s)
{
	const struct options *o = s->options;
	const char *why = "passthrough=off";
	int r = -EOPNOTSUPP;

	if (o->passthrough != PASSTHROUGH_OFF) {
		r = passthrough_probe(s->fuse);
		why = passthrough_why(r);
	}
	if (r < 0 && o->passthrough == PASSTHROUGH_REQUIRE) {
		log_error("passthrough=require: %s", why);
		return r;
	}
	if (r < 0)
		tree_set_direct(&s->context.tree);
	snprintf(s->status, sizeof(s->status),
		 r < 0 ? "%s on %s: direct (%s)" : "%s on %s: %s", presented_subject(o),
		 o->mountpoint, r < 0 ? why : "passthrough");
	/* Nobody asked for it, and in the background only the journal would tell. */
	if (r < 0 && o->passthrough == PASSTHROUGH_AUTO && !o->foreground)
		log_info("%s; shared mappings are refused (ENODEV)", s->status);
	return 0;
}

static int prepare_process(void)
{
	int r = privileges_prepare();

	if (r == 0 && !groups_are_of_children()) {
		log_error(
			"children of this process are in another PID namespace than it is: "
			"use unshare --fork");
		return -EINVAL;
	}
	if (r == 0)
		r = caller_init();
	if (r == -ENOTRECOVERABLE) {
		log_error(
			"threads that act as users would keep root's rights: start it "
			"without no_setuid_fixup in the securebits, and without a filter "
			"of setresuid(2) or capset(2)");
		return r;
	}
	if (r == 0)
		r = signals_block();
	if (r == 0)
		r = waiter_init();
	if (r < 0)
		log_error("the process cannot be set up to serve: %s", strerror(-r));
	else if (!groups_init())
		log_info(
			"warning: /proc is of another PID namespace and does not tell the "
			"groups of callers: where groups decide they get EACCES");
	return r;
}

/* While there are a standard error to be seen and files to be read. */
static void warn_of_logind(const struct options *o)
{
	if (removeipc_concerns(o) && removeipc_is_on(""))
		log_info("warning: users' shared memory is removed when they log out "
			 "(RemoveIPC= in logind.conf(5) is on)");
}

/*
 * The kernel answers from its cache without asking us, and whoever it lets in: what it
 * keeps there must be for all of them.
 */
static int settle_users(struct session *s)
{
	const struct options *o = s->options;
	bool lets_in = o->allow_root || o->allow_other ||
		       (geteuid() == 0 && caller_knows_others());

	s->for_one = o->allow_root || !caller_serves_all();
	if (!s->for_one || !lets_in || o->coherence != COHERENCE_NOTIFY)
		return 0;
	log_error("coherence=notify would show what is cached to users who may not ask: "
		  "it needs a mount for all users (by root, without allow_root), or for "
		  "one alone (without allow_other)");
	return -EINVAL;
}

static int get_ready(struct session *s)
{
	int r = unmount_init(&s->unmount, s->options->mountpoint);

	if (r < 0)
		log_error("nobody could unmount: %s", strerror(-r));
	else
		r = prepare_process();
	if (r == 0)
		r = settle_users(s);
	if (r == 0 && s->options->ipcns)
		r = ipcns_enter(s->options->ipcns);
	if (r == 0)
		r = presented_make(s->options, &s->limits, &s->backing, &s->context.tree);
	/* As natively: in containers /dev/shm commonly is noexec. */
	if (r == 0 && tree_is_noexec(&s->context.tree))
		r = options_set_noexec(s->options);
	if (r == 0)
		r = mount_session(s);
	if (r == 0)
		r = serve_init(s);
	if (r == 0)
		r = settle_io(s);
	if (r == 0)
		warn_of_logind(s->options);
	return r;
}

/*
 * An answer that the kernel takes in after it was told of a change is there until it
 * ends by itself. GETATTR's is not taken in then, so attributes can be asked for apart.
 */
static void settle_keeping(struct session *s)
{
	struct utsname kernel;
	bool waits = uname(&kernel) == 0 && kernel_waits_for_answers(kernel.release);

	s->context.name_timeout = notify_name_timeout(s->fuse, waits);
	s->context.keeps_entry_attr = waits;
}

static int drop_privileges(struct session *s)
{
	int r = privileges_drop(s->options->kind);

	if (r < 0)
		log_error("capabilities cannot be given up: %s", strerror(-r));
	else if (s->context.keeps)
		settle_keeping(s);
	return r;
}

static void count_request(void *context, uint32_t request, uint64_t ns)
{
	struct session *s = context;

	figures_count(&s->figures, request, ns);
	if (s->kept)
		requests_end(s->requests);
}

/* Those who have nothing to ask for are refused, and what daemons have died of, too. */
static bool serves_request(void *context, const void *header)
{
	struct session *s = context;
	const struct fuse_in_header *in = header;
	const struct demand demand = { .unique = in->unique };
	int r = 0;

	if (s->for_one && !admission_to_one(header, geteuid()))
		r = -EACCES;
	else if (s->kept)
		r = requests_begin(s->requests, header);
	if (r == 0)
		return true;
	if (r == -EBUSY)
		log_info("request %u may still be carried out for the daemon before: "
			 "refused",
			 in->opcode);
	else if (r != -EACCES)
		log_info("request %u killed earlier daemons: refused", in->opcode);
	demand_answer(&demand, fuse_session_fd(s->fuse), r);
	return false;
}

/* To look for a name the kernel waits for the directory. */
static void look_at_directories(void *context)
{
	const struct session *s = context;

	for (unsigned int i = 0; i < s->context.tree.n; i++)
		notify_look(s->fuse, tree_root(i));
}

static void tell_figures(void *context)
{
	struct session *s = context;

	figures_log(&s->figures, &s->context.tree, s->status);
}

/* What a thread was refused it will not come back for. */
static void forget_refusals(void *context, pid_t thread)
{
	const struct tree *tree = context;

	for (unsigned int i = 0; i < tree->n; i++)
		fs_lost(tree->fs[i], thread);
}

static int announce(void *context)
{
	struct session *s = context;
	int r = s->ready >= 0 ? background_ready(s->ready) : 0;

	if (r < 0) {
		log_error("cannot go to the background: %s", strerror(-r));
		return r;
	}
	log_info("%s", s->status);
	readiness_ready(s->status);
	return 0;
}

static void abandon(void *context)
{
	struct session *s = context;

	unmount_abort(&s->unmount);
}

/* Why no other daemon could go on in place of this one, or 0. */
static int can_be_kept(struct session *s)
{
	int r = s->options->restart == RESTART_NO ? -EOPNOTSUPP : 0;

	if (r == 0)
		r = notify_resend(s->fuse);
	if (r == 0)
		r = tree_remember(&s->context.tree);
	return r < 0 ? r : requests_new(&s->requests);
}

/*
 * From here on, where a daemon that dies is to be replaced, there is a keeper, and this
 * is a daemon: the first, or one that finds what others have left.
 */
static int let_keep(struct session *s)
{
	int r;

	s->kept = can_be_kept(s) == 0;
	if (!s->kept)
		return 0;
	s->keeper = (struct keeper){
		.announce = announce,
		.abandon = abandon,
		.context = s,
	};
	r = keeper_run(&s->keeper);
	if (r < 0)
		log_error("no daemon can be made: %s", strerror(-r));
	return r;
}

static void *find_names(void *data)
{
	tree_find_names(data);
	return NULL;
}

/* Names are found before anybody asks, unless a user keeps the directory busy. */
static int name_nodes(struct session *s)
{
	struct timespec until = clock_in(CLOCK_REALTIME, NAMES_NS);
	int r = -pthread_create(&s->namer, NULL, find_names, &s->context.tree);

	if (r == 0)
		s->names = pthread_timedjoin_np(s->namer, NULL, &until) != 0;
	return r;
}

/* Goes on where the daemon before this one died. */
static int take_over(struct session *s)
{
	struct descriptors open = { .n = 0 };
	int r;

	if (!s->kept || s->keeper.deaths == 0)
		return 0;
	/* What the first daemon gave back may be another's number by now. */
	if (s->ready >= 0)
		descriptors_remove(&s->keeper.own, s->ready);
	r = descriptors_open(&open);
	if (r == 0)
		r = tree_restore(&s->context.tree, &open, &s->keeper.own);
	if (r == 0) {
		keeper_close_others(&s->keeper, &open, &s->keeper.own);
		r = name_nodes(s);
	}
	if (r == 0) {
		requests_take_over(s->requests, s->keeper.fault, s->keeper.held);
		r = notify_resend(s->fuse);
	}
	descriptors_done(&open);
	if (r < 0)
		log_error("what the daemon before had cannot be taken over: %s",
			  strerror(-r));
	return r;
}

/* It serves without one as well, and is replaced: only what was removed is less safe. */
static void drop_anchor(struct session *s)
{
	int r = 0;

	if (s->kept && kind_has(s->options->kind, &kind_sysv))
		r = keeper_anchor(&s->keeper);
	if (r < 0)
		log_info("segments that were removed will not outlive this daemon: %s",
			 strerror(-r));
}

/* What must be there before anybody is told that the mount is: nothing fails after it. */
static int start_serving(struct session *s)
{
	const struct loop_config loop = {
		.threads = s->limits.threads,
		.poll_ns = s->options->poll_us * UINT64_C(1000),
		.serves = serves_request,
		.served = count_request,
		.look = look_at_directories,
		.context = s,
		.loss = { forget_refusals, &s->context.tree },
	};
	bool again = s->kept && s->keeper.deaths > 0;
	int r = loop_new(s->fuse, &loop, &s->loop);

	figures_init(&s->figures);
	if (r == 0)
		r = waiter_open();
	if (r == 0)
		r = notify_start(&s->notify, s->fuse, &s->context.tree, s->context.keeps,
				 again);
	s->notifies = r == 0;
	s->signals = (struct signals){
		.loop = s->loop,
		.asked = tell_figures,
		.context = s,
	};
	if (r == 0)
		r = signals_start(&s->signals);
	if (r < 0) {
		log_error("requests cannot be served: %s", strerror(-r));
		return r;
	}
	s->hears_signals = true;
	/* From here on all threads, those too that start later. */
	r = confine_process(s->options->kind);
	if (r < 0)
		log_error("system calls cannot be confined: %s", strerror(-r));
	return r;
}

/* Says that the mount is there, or lets the keeper do it. */
static int tell_serving(struct session *s)
{
	int r;

	if (!s->kept)
		return announce(s);
	r = s->ready >= 0 ? background_follow() : 0;
	if (r == 0)
		keeper_serving(&s->keeper);
	return r;
}

static int serve(struct session *s)
{
	int r = loop_run(s->loop);

	readiness_stopping();
	if (r < 0)
		log_error("serving requests failed: %s", strerror(-r));
	return r;
}

/*
 * Ends the process though threads of its are in calls that do not return while a user
 * keeps an object busy. They use all that there is, so nothing is taken down but what
 * others would wait for: the device, the mount, and the descriptors.
 */
static _Noreturn void leave(struct session *s, int r)
{
	log_info("requests wait for what users keep busy: ending without them");
	if (s->kept)
		keeper_leaving(&s->keeper);
	unmount_session(&s->unmount, s->fuse);
	unmount_done(&s->unmount);
	/* The keeper's are the same ones, and it closes them. */
	if (!s->kept)
		close_range(STDERR_FILENO + 1, ~0U, 0);
	_exit(r < 0);
}

/* Returns the error of the watch, if it is that which has ended the session. */
static int session_done(struct session *s, int result)
{
	int r = 0;

	if (s->kept)
		keeper_ending(&s->keeper);
	if (s->hears_signals)
		signals_stop(&s->signals);
	if ((s->loop && loop_held(s->loop) > 0) ||
	    (s->names && pthread_tryjoin_np(s->namer, NULL) != 0))
		leave(s, result);
	if (s->notifies)
		r = notify_stop(&s->notify);
	if (r == -ETIMEDOUT)
		leave(s, result);
	if (!waiter_stop_all())
		leave(s, result);
	/* Backing ids are closed through the session's descriptor, so files go before it.
	 */
	tree_done(&s->context.tree);
	if (s->fuse)
		unmount_session(&s->unmount, s->fuse);
	unmount_done(&s->unmount);
	loop_free(s->loop);
	if (s->fuse)
		fuse_session_destroy(s->fuse);
	requests_free(s->requests);
	descriptors_done(&s->keeper.own);
	return r;
}

int session_run(struct options *o, struct place *place, int ready)
{
	struct session s = {
		.options = o,
		.place = place,
		.context = {
			.passthrough = o->passthrough != PASSTHROUGH_OFF,
			.max_read = o->max_read,
			.keeps = o->coherence == COHERENCE_NOTIFY,
			.name_timeout = NOTIFY_KEEP,
		},
		.backing = { .open = passthrough_open, .close = passthrough_close },
		.limits = limits_init(),
		.ready = ready,
	};
	int r, ended;

	r = get_ready(&s);
	if (r == 0)
		r = drop_privileges(&s);
	if (r == 0)
		r = let_keep(&s);
	if (r == 0)
		r = take_over(&s);
	if (r == 0)
		drop_anchor(&s);
	if (r == 0)
		r = start_serving(&s);
	if (r == 0)
		r = tell_serving(&s);
	if (r == 0)
		r = serve(&s);
	ended = session_done(&s, r);
	return r < 0 ? r : ended;
}
