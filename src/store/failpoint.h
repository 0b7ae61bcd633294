/* failpoint.h - test builds die here on demand; other builds compile to nothing.
 *
 * With -DCONFAB_FAILPOINTS and CONFAB_FAILPOINT="call_reply.after:3" in the environment the
 * process kills itself (SIGKILL) the third time it comes past that point. Points: for every kind
 * of write, named as its struct without "cf_write_": NAME.before (applied, not committed) and
 * NAME.after (committed, nobody told). */
#ifndef CONFAB_STORE_FAILPOINT_H
#define CONFAB_STORE_FAILPOINT_H

#ifdef CONFAB_FAILPOINTS
/* Counts one passage of NAME.moment. Store thread only. */
void cf_failpoint(const char *name, const char *moment);
#endif
#endif
