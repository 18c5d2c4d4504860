/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The attackers on POSIX objects: they work natively on the name that the victim uses
 * through the mount, and what they put there is in turn an object, somebody else's, a
 * symbolic link, a FIFO, a directory, a device and a hard link.
 */
#include "attack/arena.h"

#define ATTACKER_UID 1001
#define OTHER_UID    1002
#define VICTIM_UID   1000

/* The name that all is about. */
#define NAME "x"

/* By an ordinary user, with what is his own. */
void attack_round(struct arena *arena, void *context);

/* What root puts there, being up to nothing: @context is an enum plants. */
enum plants {
	PLANT_NO_OBJECTS = 1 << 0, /* a device, a FIFO */
	PLANT_SECRETS = 1 << 1,    /* others' objects, which the victim may not change */
	PLANT_OPEN = 1 << 2,       /* another's object with all rights for everybody */
	PLANT_FOR_GOOD = 1 << 3,   /* whatever it is, nobody may remove it */
};

void plant_round(struct arena *arena, void *context);
