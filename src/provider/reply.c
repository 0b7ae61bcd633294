#include "provider/reply.h"

#include <stdlib.h>

void cf_reply_done(struct cf_reply *reply)
{
    free(reply->id);
    free(reply->model);
    free(reply->text);
    free(reply->tool_name);
    free(reply->tool_input);
    free(reply->stop_sequence);
    free(reply->refusal_category);
    free(reply->refusal_explanation);
    *reply = (struct cf_reply){ 0 };
}

bool cf_reply_is_complete(const struct cf_reply *reply)
{
    return reply->stop == CF_STOP_END_TURN || reply->stop == CF_STOP_SEQUENCE ||
           reply->stop == CF_STOP_TOOL_USE;
}

bool cf_reply_is_cut(const struct cf_reply *reply)
{
    return reply->stop == CF_STOP_MAX_TOKENS || reply->stop == CF_STOP_CONTEXT_WINDOW;
}

const char *cf_stop_reason_name(enum cf_stop_reason stop)
{
    switch (stop) {
    case CF_STOP_NONE:           return "";
    case CF_STOP_END_TURN:       return "end_turn";
    case CF_STOP_SEQUENCE:       return "stop_sequence";
    case CF_STOP_MAX_TOKENS:     return "max_tokens";
    case CF_STOP_CONTEXT_WINDOW: return "model_context_window_exceeded";
    case CF_STOP_TOOL_USE:       return "tool_use";
    case CF_STOP_PAUSE_TURN:     return "pause_turn";
    case CF_STOP_REFUSAL:        return "refusal";
    case CF_STOP_OTHER:          break;
    }
    return "other";
}
