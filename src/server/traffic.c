#include "server/traffic.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "base/mem.h"

struct cf_traffic_address {
    char address[48];
    size_t connections;
    UT_hash_handle hh;
};

struct cf_traffic {
    pthread_mutex_t lock;
    struct cf_traffic_address *addresses;    /* those with a connection */
    size_t connections, most_per_address;
    atomic_uint_least64_t replies[CF_TRAFFIC_STATUSES];
};

struct cf_traffic *cf_traffic_new(size_t most_per_address)
{
    struct cf_traffic *traffic = cf_calloc(1, sizeof *traffic);
    pthread_mutex_init(&traffic->lock, NULL);
    traffic->most_per_address = most_per_address != 0 ? most_per_address : SIZE_MAX;
    return traffic;
}

void cf_traffic_free(struct cf_traffic *traffic)
{
    struct cf_traffic_address *entry, *next;
    if (traffic == NULL)
        return;
    HASH_ITER(hh, traffic->addresses, entry, next) {
        HASH_DEL(traffic->addresses, entry);
        free(entry);
    }
    pthread_mutex_destroy(&traffic->lock);
    free(traffic);
}

bool cf_traffic_enter(struct cf_traffic *traffic, const char *address,
                      struct cf_traffic_address **out_entry)
{
    struct cf_traffic_address *entry;
    pthread_mutex_lock(&traffic->lock);
    HASH_FIND_STR(traffic->addresses, address, entry);
    if (entry == NULL) {
        entry = cf_calloc(1, sizeof *entry);
        strncpy(entry->address, address, sizeof entry->address - 1);
        HASH_ADD_STR(traffic->addresses, address, entry);
    }
    bool is_fine = entry->connections++ < traffic->most_per_address;
    traffic->connections++;
    pthread_mutex_unlock(&traffic->lock);
    *out_entry = entry;
    return is_fine;
}

void cf_traffic_leave(struct cf_traffic *traffic, struct cf_traffic_address *entry)
{
    pthread_mutex_lock(&traffic->lock);
    traffic->connections--;
    if (--entry->connections == 0) {
        HASH_DEL(traffic->addresses, entry);
        free(entry);
    }
    pthread_mutex_unlock(&traffic->lock);
}

void cf_traffic_count(struct cf_traffic *traffic, int status)
{
    if (status > 0 && status < CF_TRAFFIC_STATUSES)
        atomic_fetch_add_explicit(&traffic->replies[status], 1, memory_order_relaxed);
}

uint64_t cf_traffic_replies(const struct cf_traffic *traffic, int status)
{
    return atomic_load_explicit(&traffic->replies[status], memory_order_relaxed);
}

size_t cf_traffic_connections(struct cf_traffic *traffic)
{
    pthread_mutex_lock(&traffic->lock);
    size_t connections = traffic->connections;
    pthread_mutex_unlock(&traffic->lock);
    return connections;
}
