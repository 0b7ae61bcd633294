/* event_form.h - an event as bytes, ready to be sent to whoever watches.
 *
 * Both forms hold the same JSON, {"id", "run", "type", "time", "data"}: a server-sent event (HTML
 * standard, 9.2) for those who watch a run, a WebSocket's text frame (RFC 6455) for those who
 * watch all. An event is brought into form once, however many watch. Pure. */
#ifndef CONFAB_ENGINE_EVENT_FORM_H
#define CONFAB_ENGINE_EVENT_FORM_H

#include <stdint.h>

#include "base/text.h"

struct cf_buf;

enum cf_event_form { CF_EVENT_STREAM, CF_EVENT_FRAME };

struct cf_event {
    int64_t id;                 /* -1: it has none; null in the JSON */
    const char *run;            /* uuid; "": of all runs, null in the JSON */
    const char *type;
    struct cf_text rest;        /* of the JSON, behind the run: see cf_event_rest */
};

/* Adds what does not depend on the number: type, time and data (complete JSON), to the end. */
void cf_event_rest(struct cf_buf *out, const char *type, int64_t unix_ms, struct cf_text data);

/* Adds the event. */
void cf_event_add(struct cf_buf *out, enum cf_event_form form, const struct cf_event *event);
#endif
