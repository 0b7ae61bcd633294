/* hash.h - SHA-256 and seeded 64-bit hashes made from it.
 *
 * The 64-bit one orders :sample and :shuffle and decides export splits, so its
 * values are part of the product: they never change. */
#ifndef CONFAB_BASE_HASH_H
#define CONFAB_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define CF_SHA256_SIZE 32

void cf_sha256(const void *bytes, size_t len, uint8_t out[CF_SHA256_SIZE]);

/* Lower-case hexadecimal of `size` bytes; out holds 2 * size + 1. */
void cf_hex(const uint8_t *bytes, size_t size, char *out);

/* The first 8 bytes, big-endian, of SHA-256 over the seed (8 bytes, big-endian) and the bytes. */
uint64_t cf_hash64(uint64_t seed, const void *bytes, size_t len);
#endif
