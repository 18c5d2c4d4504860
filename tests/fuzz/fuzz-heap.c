/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a heap: attaching, looking names up, checking and changing it end with an
 * error at worst, whatever is written there. The input lies over a heap that is in order,
 * at the position that its first bytes say.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <shmfs/heap.h>

#include "target.h"
#include "util/cleanup.h"

#define LOCK 128

static int fd = -1;
static char *pristine;
static size_t length;

/* A heap with something in it, and what its file holds. */
static void prepare(void)
{
	struct shmfs_heap *heap;
	char name[16] = "name-0";
	void *object;

	fd = memfd_create("heap", MFD_CLOEXEC);
	must(fd >= 0 && shmfs_heap_create_fd(fd, NULL, &heap) == 0);
	for (; name[5] < '0' + 40; name[5]++)
		must(shmfs_heap_construct(heap, name, 1, 100, NULL, &object) == 0);
	must(shmfs_heap_destroy(heap, "name-3") == 0);
	shmfs_heap_close(heap);
	length = (size_t)lseek(fd, 0, SEEK_END);
	pristine = malloc(length);
	must(pristine && pread(fd, pristine, length, 0) == (ssize_t)length);
}

static int read_object(const struct shmfs_heap_name *name, void *heap)
{
	const char *p = shmfs_heap_at(heap, name->object, name->size);

	must(p && strlen(name->name) < 256);
	return name->size && p[name->size - 1] == 'x' ? 1 : 0;
}

static void use(enum shmfs_mode mode)
{
	struct shmfs_heap_info info;
	struct shmfs_heap *heap;
	void *object;

	if (shmfs_heap_open_fd(fd, mode, &heap) < 0)
		return;
	shmfs_heap_info(heap, &info);
	shmfs_heap_list(heap, read_object, heap);
	shmfs_heap_find(heap, "name-7", 1, 0, &object);
	shmfs_heap_check(heap, NULL, NULL);
	if (mode == SHMFS_READ_WRITE) {
		shmfs_heap_construct(heap, "another", 1, 1000, NULL, &object);
		shmfs_heap_destroy(heap, "name-5");
		shmfs_heap_trim(heap);
	}
	shmfs_heap_close(heap);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint16_t at;

	if (fd < 0)
		prepare();
	if (size < sizeof(at))
		return 0;
	memcpy(&at, data, sizeof(at));
	must(ftruncate(fd, (off_t)length) == 0);
	must(pwrite(fd, pristine, length, 0) == (ssize_t)length);
	if (size - sizeof(at) > length - at)
		size = length - at + sizeof(at);
	must(pwrite(fd, data + sizeof(at), size - sizeof(at), at) ==
	     (ssize_t)(size - sizeof(at)));
	/* Whoever may write can keep the lock: that is no fault of the heap. */
	must(pwrite(fd, "\0\0\0", 4, LOCK) == 4);
	use(SHMFS_READ_ONLY);
	use(SHMFS_READ_WRITE);
	return 0;
}
