#include "limit/heap.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/mem.h"

static bool before(const struct cf_heap_node *a, const struct cf_heap_node *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void place(struct cf_heap *heap, struct cf_heap_node *node, size_t i)
{
    heap->nodes[i] = node;
    node->place = i + 1;
}

static void sift_up(struct cf_heap *heap, struct cf_heap_node *node, size_t i)
{
    while (i > 0 && before(node, heap->nodes[(i - 1) / 2])) {
        place(heap, heap->nodes[(i - 1) / 2], i);
        i = (i - 1) / 2;
    }
    place(heap, node, i);
}

static void sift_down(struct cf_heap *heap, struct cf_heap_node *node, size_t i)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= heap->len)
            break;
        if (child + 1 < heap->len && before(heap->nodes[child + 1], heap->nodes[child]))
            child++;
        if (!before(heap->nodes[child], node))
            break;
        place(heap, heap->nodes[child], i);
        i = child;
    }
    place(heap, node, i);
}

void cf_heap_done(struct cf_heap *heap)
{
    free(heap->nodes);
    *heap = (struct cf_heap){ 0 };
}

void cf_heap_set(struct cf_heap *heap, struct cf_heap_node *node, int64_t at_ms)
{
    cf_heap_remove(heap, node);
    if (heap->len == heap->cap) {
        heap->cap = heap->cap ? heap->cap * 2 : 16;
        heap->nodes = cf_realloc(heap->nodes, heap->cap * sizeof *heap->nodes);
    }
    node->at_ms = at_ms;
    node->order = heap->next_order++;
    sift_up(heap, node, heap->len++);
}

void cf_heap_remove(struct cf_heap *heap, struct cf_heap_node *node)
{
    if (node->place == 0)
        return;
    size_t i = node->place - 1;
    struct cf_heap_node *last = heap->nodes[--heap->len];
    node->place = 0;
    if (last == node)
        return;
    if (i > 0 && before(last, heap->nodes[(i - 1) / 2]))
        sift_up(heap, last, i);
    else
        sift_down(heap, last, i);
}

struct cf_heap_node *cf_heap_top(const struct cf_heap *heap)
{
    return heap->len ? heap->nodes[0] : NULL;
}
