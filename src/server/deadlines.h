/* deadlines.h - ends what takes too long: a body that comes byte by byte.
 *
 * The library waits for each byte anew, so one read of ours may take for ever. A thread watches the
 * time of all of them and closes the reading side of a socket whose time is over; the read then
 * comes back, and the reply can still be written. The thread begins with the first deadline. */
#ifndef CONFAB_SERVER_DEADLINES_H
#define CONFAB_SERVER_DEADLINES_H

#include <stdbool.h>
#include <stdint.h>

struct cf_deadlines;

/* In the memory of the thread that set it, until it is lifted. */
struct cf_deadline {
    int fd;
    int64_t until_ms;                   /* of the system's clock */
    bool is_over;
    struct cf_deadline *prev, *next;
};

struct cf_deadlines *cf_deadlines_new(void);

/* None may be set any more. NULL is fine. */
void cf_deadlines_free(struct cf_deadlines *deadlines);

/* Any thread. fd -1: none can be kept. */
void cf_deadline_set(struct cf_deadlines *deadlines, struct cf_deadline *deadline, int fd,
                     int64_t in_ms);

/* Whether it was over; the socket is not touched any more. */
bool cf_deadline_lift(struct cf_deadlines *deadlines, struct cf_deadline *deadline);
#endif
