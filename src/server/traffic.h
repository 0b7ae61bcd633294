/* traffic.h - who is connected and what was answered: counted for monitors, and capped by address.
 *
 * A connection is counted from its first request on; one that sends none is closed by the server
 * library after the time for a head. Any thread. */
#ifndef CONFAB_SERVER_TRAFFIC_H
#define CONFAB_SERVER_TRAFFIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_traffic;
struct cf_traffic_address;

#define CF_TRAFFIC_STATUSES 600

/* most_per_address 0: as many as there are threads. */
struct cf_traffic *cf_traffic_new(size_t most_per_address);
void cf_traffic_free(struct cf_traffic *traffic);

/* A connection from this address. Gives what to leave with; false: the address has too many, but
 * this one counts, too, until it leaves. */
bool cf_traffic_enter(struct cf_traffic *traffic, const char *address,
                      struct cf_traffic_address **out_entry);
void cf_traffic_leave(struct cf_traffic *traffic, struct cf_traffic_address *entry);

/* A reply of this status was sent. */
void cf_traffic_count(struct cf_traffic *traffic, int status);

uint64_t cf_traffic_replies(const struct cf_traffic *traffic, int status);
size_t   cf_traffic_connections(struct cf_traffic *traffic);
#endif
