/* heap.h - lanes by time, the earliest on top; equal times in the order they were put in. */
#ifndef CONFAB_LIMIT_HEAP_H
#define CONFAB_LIMIT_HEAP_H

#include <stddef.h>
#include <stdint.h>

/* Lives in the lane; zero is valid and in no heap. */
struct cf_heap_node {
    int64_t  at_ms;
    uint64_t order;
    size_t   place;           /* in the heap, from 1; 0: in none */
};

struct cf_heap {              /* zero is valid and empty */
    struct cf_heap_node **nodes;
    size_t   len, cap;
    uint64_t next_order;
};

void cf_heap_done(struct cf_heap *heap);

/* Puts the node in, or moves it, always behind those of the same time. */
void cf_heap_set(struct cf_heap *heap, struct cf_heap_node *node, int64_t at_ms);
void cf_heap_remove(struct cf_heap *heap, struct cf_heap_node *node);   /* no effect if not in it */
struct cf_heap_node *cf_heap_top(const struct cf_heap *heap);           /* NULL if empty */
#endif
