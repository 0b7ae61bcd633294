#include "engine/event_ring.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define PAGE_MIN  (4u << 10)     /* most runs of a server have one item */
#define PAGE_MAX  (128u << 10)
#define MARKS_MIN 8

/* Where an event ends. */
struct mark {
    int64_t id;
    size_t end;
};

struct cf_event_page {
    atomic_int holders;          /* the ring and those who read */
    struct cf_event_page *next;  /* in the ring */
    uint64_t first;              /* place */
    struct mark *marks;          /* owned: of each event, as those who have the lock see it */
    size_t count, marks_cap;
    size_t len, cap;
    char bytes[];
};

void cf_event_page_let_go(struct cf_event_page *page)
{
    if (page == NULL || atomic_fetch_sub(&page->holders, 1) > 1)
        return;
    free(page->marks);
    free(page);
}

static struct cf_event_page *new_page(const struct cf_event_ring *ring, size_t needed)
{
    size_t cap = ring->newest == NULL ? PAGE_MIN : 2 * ring->newest->cap;
    cap = cap > PAGE_MAX ? PAGE_MAX : cap;
    cap = cap < needed ? needed : cap;
    struct cf_event_page *page = cf_malloc(sizeof *page + cap);
    *page = (struct cf_event_page){ .first = ring->end, .cap = cap };
    atomic_init(&page->holders, 1);
    return page;
}

static size_t begin_of(const struct cf_event_page *page, size_t index)
{
    return index == 0 ? 0 : page->marks[index - 1].end;
}

static void unlink_oldest(struct cf_event_ring *ring)
{
    struct cf_event_page *page = ring->oldest;
    ring->oldest = page->next;
    if (page == ring->newest)
        ring->newest = NULL;
    ring->memory -= page->cap;
    cf_event_page_let_go(page);
}

static void drop_oldest(struct cf_event_ring *ring)
{
    struct cf_event_page *page = ring->oldest;
    size_t index = (size_t)(ring->begin - page->first);
    ring->bytes -= page->marks[index].end - begin_of(page, index);
    ring->dropped_id = page->marks[index].id;
    ring->begin++;
    if (index + 1 == page->count)
        unlink_oldest(ring);
}

void cf_event_ring_drop_page(struct cf_event_ring *ring)
{
    struct cf_event_page *page = ring->oldest;
    while (page != ring->newest && ring->oldest == page)
        drop_oldest(ring);
}

void cf_event_ring_clear(struct cf_event_ring *ring)
{
    while (ring->begin < ring->end)
        drop_oldest(ring);
}

static void add_to_page(struct cf_event_page *page, int64_t id, struct cf_text text)
{
    if (page->count == page->marks_cap) {
        page->marks_cap = page->marks_cap == 0 ? MARKS_MIN : 2 * page->marks_cap;
        page->marks = cf_realloc(page->marks, page->marks_cap * sizeof *page->marks);
    }
    memcpy(page->bytes + page->len, text.data, text.len);
    page->len += text.len;
    page->marks[page->count++] = (struct mark){ id, page->len };
}

void cf_event_ring_add(struct cf_event_ring *ring, int64_t id, struct cf_text text, size_t most,
                       size_t most_bytes)
{
    while (ring->begin < ring->end &&
           (ring->end - ring->begin >= most || ring->bytes + text.len > most_bytes))
        drop_oldest(ring);
    if (ring->newest == NULL || ring->newest->cap - ring->newest->len < text.len) {
        struct cf_event_page *page = new_page(ring, text.len);
        if (ring->newest != NULL)
            ring->newest->next = page;
        else
            ring->oldest = page;
        ring->newest = page;
        ring->memory += page->cap;
    }
    add_to_page(ring->newest, id, text);
    ring->bytes += text.len;
    ring->end++;
}

/* The page that has the place, which is in [begin, end). */
static struct cf_event_page *page_of(const struct cf_event_ring *ring, uint64_t place)
{
    struct cf_event_page *page = ring->newest;
    if (place >= page->first)
        return page;             /* as for everyone who keeps up */
    for (page = ring->oldest; place >= page->first + page->count; page = page->next) {
    }
    return page;
}

uint64_t cf_event_ring_behind(const struct cf_event_ring *ring, int64_t id)
{
    uint64_t place = ring->end;
    while (place > ring->begin) {
        const struct cf_event_page *page = page_of(ring, place - 1);
        if (page->marks[place - 1 - page->first].id <= id)
            break;
        place--;
    }
    return place;
}

struct cf_text cf_event_ring_read(const struct cf_event_ring *ring, uint64_t place,
                                  struct cf_event_page **out_page, size_t *out_count)
{
    struct cf_event_page *page = page_of(ring, place);
    size_t index = (size_t)(place - page->first), begin = begin_of(page, index);
    atomic_fetch_add(&page->holders, 1);
    *out_page = page;
    *out_count = page->count - index;
    return (struct cf_text){ page->bytes + begin, page->len - begin };
}
