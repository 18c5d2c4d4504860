/* SPDX-License-Identifier: MIT */
/*
 * What becomes of a request does not matter here. Where the kernel would serve reads and
 * writes itself, files are opened with O_APPEND, by which they come to the daemon.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "busy/request.h"
#include "busy/ring.h"

static void send_lookup_missing(struct target *t)
{
	struct path missing = place_path(t->place, 'm', t->n);
	struct stat st;

	stat(missing.text, &st);
}

static void send_lookup(struct target *t)
{
	struct stat st;

	stat(t->path.text, &st);
}

static void send_getattr(struct target *t)
{
	struct stat st;

	fstat(t->fd, &st);
}

static void send_chmod(struct target *t)
{
	chmod(t->path.text, 0640);
}

static void send_chown(struct target *t)
{
	if (chown(t->path.text, (uid_t)-1, getgid()) < 0)
		return;
}

static void send_truncate(struct target *t)
{
	if (ftruncate(t->fd, 100) < 0)
		return;
}

static void send_utimes(struct target *t)
{
	utimes(t->path.text, NULL);
}

static void send_open(struct target *t)
{
	close(open(t->path.text, O_RDWR | O_CLOEXEC));
}

static void send_open_truncate(struct target *t)
{
	close(open(t->path.text, O_RDWR | O_TRUNC | O_CLOEXEC));
}

static void send_read(struct target *t)
{
	char text[100];

	if (pread(t->fd, text, sizeof(text), 0) < 0)
		return;
}

static void send_write(struct target *t)
{
	if (pwrite(t->fd, "text", 4, 0) < 0)
		return;
}

static void send_fallocate(struct target *t)
{
	fallocate(t->fd, 0, 0, 4096);
}

static void send_lseek(struct target *t)
{
	lseek(t->fd, 0, SEEK_DATA);
}

static void send_fsync(struct target *t)
{
	fsync(t->fd);
}

static void send_getxattr(struct target *t)
{
	char value[100];

	getxattr(t->path.text, "user.a", value, sizeof(value));
}

static void send_setxattr(struct target *t)
{
	setxattr(t->path.text, "user.a", "text", 4, 0);
}

static void send_listxattr(struct target *t)
{
	char names[1000];

	listxattr(t->path.text, names, sizeof(names));
}

static void send_removexattr(struct target *t)
{
	removexattr(t->path.text, "user.a");
}

static void send_flush(struct target *t)
{
	close(dup(t->fd));
}

static void set_lock(struct target *t, int command, short type)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_len = 1 };

	fcntl(t->fd, command, &lock);
}

static void send_getlk(struct target *t)
{
	set_lock(t, F_GETLK, F_WRLCK);
}

static void send_setlk(struct target *t)
{
	set_lock(t, F_SETLK, F_WRLCK);
	set_lock(t, F_SETLK, F_UNLCK);
}

/* The lock is another open file's, so it waits. */
static void send_setlkw(struct target *t)
{
	int fd = open(t->path.text, O_RDWR | O_CLOEXEC);

	set_lock(t, F_OFD_SETLK, F_WRLCK);
	t->fd = fd;
	set_lock(t, F_OFD_SETLKW, F_WRLCK);
}

static void send_flock(struct target *t)
{
	int fd = open(t->path.text, O_RDWR | O_CLOEXEC);

	flock(t->fd, LOCK_EX);
	flock(fd, LOCK_EX);
}

static void send_create(struct target *t)
{
	struct path new = place_path(t->place, 'n', t->n);

	close(open(new.text, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	unlink(new.text);
}

static void send_create_existing(struct target *t)
{
	close(open(t->path.text, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
}

static void send_mknod(struct target *t)
{
	struct path new = place_path(t->place, 'k', t->n);

	mknod(new.text, S_IFREG | 0600, 0);
	unlink(new.text);
}

static void send_tmpfile(struct target *t)
{
	close(open(t->place->dir, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600));
}

static void send_mkdir(struct target *t)
{
	mkdir(place_path(t->place, 'n', t->n).text, 0700);
}

static void send_symlink(struct target *t)
{
	if (symlink("text", place_path(t->place, 'n', t->n).text) < 0)
		return;
}

static void send_unlink(struct target *t)
{
	unlink(t->path.text);
}

/* One of two writes, and the other removes what that writes to. */
static void send_write_or_unlink(struct target *t)
{
	if (t->n % 2 == 0)
		send_write(t);
	else
		unlink(place_path(t->place, 'h', t->n - 1).text);
}

static void send_rename(struct target *t)
{
	rename(t->path.text, place_path(t->place, 'r', t->n).text);
}

static void send_rename_exchange(struct target *t)
{
	renameat2(AT_FDCWD, t->path.text, AT_FDCWD,
		  place_path(t->place, 'h', t->n ^ 1).text, RENAME_EXCHANGE);
}

static void send_link(struct target *t)
{
	if (link(t->path.text, place_path(t->place, 'l', t->n).text) < 0)
		return;
}

static void send_readdir(struct target *t)
{
	DIR *dir = opendir(t->place->dir);

	while (dir && readdir(dir))
		;
	if (dir)
		closedir(dir);
}

static void send_fsyncdir(struct target *t)
{
	int fd = open(t->place->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	fsync(fd);
	close(fd);
}

static void send_access(struct target *t)
{
	access(t->path.text, R_OK | W_OK);
}

static void send_statfs(struct target *t)
{
	struct statvfs st;

	statvfs(t->path.text, &st);
}

static void send_copy(struct target *t)
{
	off_t from = 0, to = 2048;

	if (copy_file_range(t->fd, &from, t->fd, &to, 100, 0) < 0)
		return;
}

static void send_ioctl(struct target *t)
{
	int flags;

	ioctl(t->fd, _IOR('f', 1, long), &flags);
}

static void send_poll(struct target *t)
{
	struct pollfd p = { .fd = t->fd, .events = POLLIN };

	poll(&p, 1, 0);
}

static void send_aio(struct target *t, int opcode)
{
	char bytes[512];
	struct iocb cb = {
		.aio_lio_opcode = (uint16_t)opcode,
		.aio_fildes = (uint32_t)t->fd,
		.aio_buf = (uintptr_t)bytes,
		.aio_nbytes = sizeof(bytes),
	};
	struct iocb *p = &cb;
	struct io_event event;
	aio_context_t context = 0;

	if (syscall(SYS_io_setup, 1, &context) < 0)
		return;
	if (syscall(SYS_io_submit, context, 1, &p) == 1)
		syscall(SYS_io_getevents, context, 1, 1, &event, NULL);
	syscall(SYS_io_destroy, context);
}

static void send_aio_read(struct target *t)
{
	send_aio(t, IOCB_CMD_PREAD);
}

static void send_aio_write(struct target *t)
{
	send_aio(t, IOCB_CMD_PWRITE);
}

/* By a call that fails where there is no page. */
static void send_fault(struct target *t)
{
	char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, t->fd, 0);

	if (page == MAP_FAILED)
		return;
	madvise(page, 4096, MADV_POPULATE_READ);
	munmap(page, 4096);
}

static void send_splice(struct target *t)
{
	off_t from = 0;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	splice(t->fd, &from, ends[1], NULL, 100, 0);
	close(ends[0]);
	close(ends[1]);
}

static void send_readahead(struct target *t)
{
	posix_fadvise(t->fd, 0, 0, POSIX_FADV_WILLNEED);
}

/* From another open file of the same object. */
static void send_sendfile(struct target *t)
{
	int fd = open(t->path.text, O_RDONLY | O_CLOEXEC);
	off_t from = 0;

	if (sendfile(t->fd, fd, &from, 100) < 0 || lseek(t->fd, 0, SEEK_SET) < 0)
		fd = -1;
	close(fd);
}

static void send_splice_in(struct target *t)
{
	char bytes[] = "text";
	struct iovec text = { bytes, 4 };
	off_t to = 0;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	if (vmsplice(ends[1], &text, 1, 0) == 4)
		splice(ends[0], NULL, t->fd, &to, 4, 0);
	close(ends[0]);
	close(ends[1]);
}

/* The kernel reads it, and finds that it is no program. */
static void send_execute(struct target *t)
{
	char *arguments[] = { t->path.text, NULL };
	pid_t pid;

	fchmod(t->fd, 0700);
	pid = fork();
	if (pid == 0) {
		execve(t->path.text, arguments, NULL);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
}

/* As a debugger looks at it: the fault is not of the thread that has it mapped. */
static void send_fault_of_other(struct target *t)
{
	char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, t->fd, 0);
	char text[4];
	struct iovec here = { text, sizeof(text) }, there = { page, sizeof(text) };

	if (page == MAP_FAILED)
		return;
	process_vm_readv(getpid(), &here, 1, &there, 1, 0);
	munmap(page, 4096);
}

static void send_mlock(struct target *t)
{
	char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, t->fd, 0);

	if (page == MAP_FAILED)
		return;
	mlock(page, 4096);
	munmap(page, 4096);
}

/* By a worker of a ring. */
static void send_by_ring(struct io_uring_sqe call)
{
	struct ring ring;

	call.flags = IOSQE_ASYNC;
	if (ring_open(&ring, 0) < 0)
		return;
	if (ring_submit(&ring, &call) == 0)
		ring_await(&ring);
	ring_close(&ring);
}

static void send_ring_read(struct target *t)
{
	char text[100];

	send_by_ring((struct io_uring_sqe){
		.opcode = IORING_OP_READ,
		.fd = t->fd,
		.addr = (uintptr_t)text,
		.len = sizeof(text),
	});
}

static void send_ring_write(struct target *t)
{
	send_by_ring((struct io_uring_sqe){
		.opcode = IORING_OP_WRITE,
		.fd = t->fd,
		.addr = (uintptr_t) "text",
		.len = 4,
	});
}

static void send_ring_fallocate(struct target *t)
{
	send_by_ring((struct io_uring_sqe){
		.opcode = IORING_OP_FALLOCATE, .fd = t->fd, .addr = 4096, /* the length */
	});
}

/* The worker closes it again, since the ring has no table of files that it could be in.
 */
static void send_ring_open(struct target *t)
{
	send_by_ring((struct io_uring_sqe){
		.opcode = IORING_OP_OPENAT,
		.fd = AT_FDCWD,
		.addr = (uintptr_t)t->path.text,
		.open_flags = O_RDWR | O_TRUNC,
		.file_index = 1,
	});
}

static void send_ring_unlink(struct target *t)
{
	send_by_ring((struct io_uring_sqe){
		.opcode = IORING_OP_UNLINKAT,
		.fd = AT_FDCWD,
		.addr = (uintptr_t)t->path.text,
	});
}

const struct request requests[] = {
	{ .name = "lookup of a missing name",
	  .directory = true,
	  .send = send_lookup_missing },
	{ .name = "lookup", .send = send_lookup },
	{ .name = "getattr", .send = send_getattr },
	{ .name = "chmod", .send = send_chmod },
	{ .name = "chown", .send = send_chown },
	{ .name = "truncate", .send = send_truncate },
	{ .name = "utimes", .send = send_utimes },
	{ .name = "open", .send = send_open },
	{ .name = "open to truncate", .send = send_open_truncate },
	{ .name = "read", .send = send_read },
	{ .name = "read, passed through", .plain = true, .send = send_read },
	{ .name = "write", .send = send_write },
	{ .name = "write, passed through", .plain = true, .send = send_write },
	{ .name = "fallocate", .send = send_fallocate },
	{ .name = "lseek", .send = send_lseek },
	{ .name = "fsync", .send = send_fsync },
	{ .name = "getxattr", .send = send_getxattr },
	{ .name = "setxattr", .send = send_setxattr },
	{ .name = "listxattr", .send = send_listxattr },
	{ .name = "removexattr", .send = send_removexattr },
	{ .name = "flush", .send = send_flush },
	{ .name = "getlk", .send = send_getlk },
	{ .name = "setlk", .send = send_setlk },
	{ .name = "setlkw", .send = send_setlkw },
	{ .name = "flock", .send = send_flock },
	{ .name = "opendir, readdir", .directory = true, .send = send_readdir },
	{ .name = "fsyncdir", .send = send_fsyncdir },
	{ .name = "access", .send = send_access },
	{ .name = "statfs", .send = send_statfs },
	{ .name = "copy_file_range", .send = send_copy },
	{ .name = "ioctl", .send = send_ioctl },
	{ .name = "poll", .send = send_poll },
	{ .name = "aio read", .send = send_aio_read },
	{ .name = "aio write", .send = send_aio_write },
	{ .name = "page fault", .send = send_fault },
	{ .name = "page fault, passed through", .plain = true, .send = send_fault },
	{ .name = "splice", .send = send_splice },
	{ .name = "readahead", .plain = true, .send = send_readahead },
	{ .name = "sendfile", .variant = true, .send = send_sendfile },
	{ .name = "splice into", .variant = true, .send = send_splice_in },
	{ .name = "execute", .plain = true, .variant = true, .send = send_execute },
	{ .name = "page fault by another", .variant = true, .send = send_fault_of_other },
	{ .name = "mlock", .plain = true, .variant = true, .send = send_mlock },
	{ .name = "ring read", .variant = true, .send = send_ring_read },
	{ .name = "ring write", .variant = true, .send = send_ring_write },
	{ .name = "ring write, passed through",
	  .plain = true,
	  .variant = true,
	  .send = send_ring_write },
	{ .name = "ring fallocate", .variant = true, .send = send_ring_fallocate },
	{ .name = "ring open to truncate", .variant = true, .send = send_ring_open },
	{ .name = "create", .names = true, .directory = true, .send = send_create },
	{ .name = "create of what is there",
	  .names = true,
	  .send = send_create_existing },
	{ .name = "mknod", .names = true, .directory = true, .send = send_mknod },
	{ .name = "tmpfile", .names = true, .send = send_tmpfile },
	{ .name = "mkdir", .names = true, .send = send_mkdir },
	{ .name = "symlink", .names = true, .send = send_symlink },
	{ .name = "link", .names = true, .both = true, .send = send_link },
	{ .name = "unlink", .names = true, .both = true, .send = send_unlink },
	{ .name = "rename", .names = true, .both = true, .send = send_rename },
	{ .name = "rename to exchange",
	  .names = true,
	  .both = true,
	  .send = send_rename_exchange },
	{ .name = "ring unlink",
	  .names = true,
	  .both = true,
	  .variant = true,
	  .send = send_ring_unlink },
	{ .name = "unlink of what is written to",
	  .names = true,
	  .both = true,
	  .pairs = true,
	  .send = send_write_or_unlink },
};

const unsigned int requests_count = sizeof(requests) / sizeof(requests[0]);

int request_open(const struct request *r, const struct target *t)
{
	int fd = open(t->path.text, O_RDWR | O_CLOEXEC | (r->plain ? 0 : O_APPEND));

	if (fd >= 0)
		fcntl(fd, F_SETFL, 0);
	return fd;
}
