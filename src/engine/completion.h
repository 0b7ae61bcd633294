/* completion.h - something that other threads finished and the script thread waits for.
 *
 * The struct is the first member of every message that comes back to the script thread.
 * Room for it was there when the work was admitted, so coming back never blocks or fails. */
#ifndef CONFAB_ENGINE_COMPLETION_H
#define CONFAB_ENGINE_COMPLETION_H

#include "base/queue.h"

struct cf_completion {
    struct cf_queue_link link;

    /* Called on the script thread, once. The completion belongs to the callee. */
    void (*deliver)(struct cf_completion *completion, void *context);
};
#endif
