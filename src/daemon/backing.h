/* SPDX-License-Identifier: MIT */
#pragma once
/* How backing files are registered with /dev/fuse: the kernel's interface (Linux 6.9). */
#include <stdint.h>
#include <sys/ioctl.h>

struct backing_map {
	int32_t fd;
	uint32_t flags;
	uint64_t padding;
};

#define BACKING_OPEN  _IOW(229, 1, struct backing_map)
#define BACKING_CLOSE _IOW(229, 2, uint32_t)
