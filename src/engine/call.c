#include "engine/call.h"

#include <stdlib.h>

#include "base/mem.h"
#include "confab/money.h"
#include "engine/ending.h"
#include "engine/stream.h"

struct cf_call *cf_call_new(void)
{
    struct cf_call *call = cf_calloc(1, sizeof *call);
    call->cost_pico = CF_COST_UNKNOWN;
    return call;
}

void cf_call_free(struct cf_call *call)
{
    if (call == NULL)
        return;
    cf_reply_done(&call->reply);
    free(call->body);
    free(call->raw);
    cf_buf_done(&call->telling);
    cf_stream_free(call->stream);
    cf_ending_free(call->ending);
    free(call);
}
