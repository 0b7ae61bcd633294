/* product.h - a walk through all combinations of a sweep's axes that stops only at hashes of a
 * band.
 *
 * The hash of a table of parameters is made from one digest a parameter, their sum mod 2^64 with
 * its bits mixed: it depends on no order, and a combination costs an addition and a mix. */
#ifndef CONFAB_LUA_PRODUCT_H
#define CONFAB_LUA_PRODUCT_H

#include <stdint.h>

#include <lua.h>

/* The hash that a sum of digests stands for: the finalizer of SplitMix64, which is a bijection. Its
 * values order :sample and :shuffle: they never change. */
static inline uint64_t cf_lua_mix_digests(uint64_t sum)
{
    sum = (sum ^ (sum >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    sum = (sum ^ (sum >> 27)) * UINT64_C(0x94D049BB133111EB);
    return sum ^ (sum >> 31);
}

/* product(digests [, by, groups]): a walker through the product of lists of digests, one list an
 * axis, the last one fastest. by, groups: axis number `by` sorts the combinations into groups
 * (1, 2, ...), a list with the group of each of its values. */
int cf_lua_product(lua_State *L);

/* Makes the walkers' metatable; once before cf_lua_product. Leaves the stack as it is. */
void cf_lua_open_product(lua_State *L);
#endif
