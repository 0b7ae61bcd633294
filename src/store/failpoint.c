#include "store/failpoint.h"

#ifdef CONFAB_FAILPOINTS
#include <signal.h>
#include <stdlib.h>
#include <string.h>

void cf_failpoint(const char *name, const char *moment)
{
    static long passed;
    const char *wanted = getenv("CONFAB_FAILPOINT");
    size_t name_len = strlen(name), moment_len = strlen(moment);

    if (wanted == NULL || strncmp(wanted, name, name_len) != 0 || wanted[name_len] != '.')
        return;
    wanted += name_len + 1;
    if (strncmp(wanted, moment, moment_len) != 0)
        return;
    wanted += moment_len;
    if (*wanted != '\0' && *wanted != ':')
        return;
    if (++passed >= (*wanted == ':' ? atol(wanted + 1) : 1))
        raise(SIGKILL);
}
#else
typedef int cf_failpoint_unused;   /* a translation unit needs a declaration */
#endif
