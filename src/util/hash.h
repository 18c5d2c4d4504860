/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Hashes for tables in memory. They differ from process to process, but not in a process
 * and those that are cloned from it: nobody can choose names that meet in one place of a
 * table, and make it slow for others.
 */
#include <stddef.h>
#include <stdint.h>

/* Of a string, and of @n bytes. */
uint32_t hash_string(const char *s);
uint32_t hash_bytes(const void *p, size_t n);

/* What is behind them: SipHash-2-4 of @n bytes. */
uint64_t hash_keyed(const unsigned char key[16], const void *p, size_t n);
