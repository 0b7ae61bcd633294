#include "lua/call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "confab/buf.h"
#include "confab/calibration.h"
#include "confab/cost.h"
#include "confab/error.h"
#include "confab/money.h"
#include "engine/call.h"
#include "engine/ending.h"
#include "engine/engine.h"
#include "engine/journal.h"
#include "engine/models.h"
#include "engine/stream.h"
#include "lua/ending.h"
#include "lua/engine.h"
#include "lua/item.h"
#include "lua/live.h"
#include "lua/raise.h"
#include "lua/read.h"
#include "lua/reply.h"
#include "lua/request.h"
#include "lua/scheduler.h"
#include "provider/anthropic.h"
#include "provider/request_diff.h"

#define RAW_BYTES_MAX (64u << 20)

static int raise_config(lua_State *L, const char *fmt, const char *value)
{
    struct cf_error err;
    cf_fail(&err, CF_ERR_CONFIG, fmt, value);
    return cf_lua_raise(L, &err);
}

/* --- what comes back --- */

struct waiting_call {
    struct cf_call *call;
    struct cf_item *item;     /* held by who waits */
    uint64_t ticket;
    lua_State *L;             /* the main state */
    /* gets what came of it; NULL: the coroutine that waits for the ticket */
    struct cf_lua_live *live;
    int64_t input_estimate;   /* not calibrated */
};

/* What the reply says of the estimate, for the next ones. */
static void calibrate(lua_State *L, const struct waiting_call *waiting)
{
    struct cf_engine *engine = cf_lua_engine(L);
    const struct cf_reply_usage *usage = &waiting->call->reply.usage;
    if (engine != NULL && usage->is_known)
        cf_calibration_add(cf_engine_calibration(engine, waiting->call->model),
                           waiting->input_estimate,
                           usage->input + usage->cache_write + usage->cache_read);
}

static int push_answer(lua_State *L, const struct waiting_call *waiting)
{
    struct cf_call *call = waiting->call;
    calibrate(L, waiting);
    if (call->ending != NULL && call->ending->is_taken) {
        cf_lua_push_ended(L, call);
        return 1;
    }
    struct cf_lua_reply_facts facts = {
        .call_id = call->call_id, .cost_pico = call->cost_pico, .latency_ms = call->latency_ms,
        .attempts = call->attempts,
    };
    cf_lua_push_reply(L, &call->reply, &facts);
    return 1;
}

static int push_failure(lua_State *L, const struct cf_call *call)
{
    lua_pushnil(L);
    cf_lua_push_error(L, &call->error);
    if (call->stops_run) {
        lua_pushboolean(L, true);
        lua_setfield(L, -2, "stops_run");
    }
    if (call->call_id != 0) {
        lua_pushinteger(L, call->call_id);
        lua_setfield(L, -2, "call");
    }
    return 2;
}

static int push_call_result(lua_State *L, void *data)
{
    struct waiting_call *waiting = data;
    struct cf_call *call = waiting->call;
    int count = 0;
    if (L != NULL) {
        cf_item_answered(waiting->item, call->branch, call->hash);
        count = call->has_reply ? push_answer(L, waiting) : push_failure(L, call);
    }
    cf_call_free(call);
    free(waiting);
    return count;
}

static void deliver_call(struct cf_completion *completion, void *context)
{
    (void)context;
    struct cf_call *call = (struct cf_call *)completion;
    struct waiting_call *waiting = call->owner;
    lua_State *L = waiting->L;
    /* A call that a stop took back: its step is not to go on, the item stays as it is. */
    bool is_taken_back = !call->has_reply && call->error.kind == CF_ERR_CANCELLED &&
                         cf_scheduler_stop_level(L) > CF_STOP_LEVEL_NONE;
    if (waiting->live != NULL)
        cf_lua_live_end(waiting->live, is_taken_back ? NULL : push_call_result, waiting);
    else if (is_taken_back)
        cf_scheduler_drop(L, waiting->ticket);
    else
        cf_scheduler_wake(L, waiting->ticket, push_call_result, waiting);
    if (is_taken_back)
        push_call_result(NULL, waiting);
}

/* --- on_retry --- */

struct retry_event {
    struct cf_completion completion;
    lua_State *L;
    int64_t attempt, delay_ms;
    struct cf_error error;
};

static const char on_retry_key = 0;      /* registry: the script's callback */

static void deliver_retry(struct cf_completion *completion, void *context)
{
    (void)context;
    struct retry_event *event = (struct retry_event *)completion;
    lua_State *L = event->L;
    int top = lua_gettop(L);         /* whoever turns the scheduler has values below */
    if (!cf_scheduler_has_ended(L) &&
        lua_rawgetp(L, LUA_REGISTRYINDEX, &on_retry_key) == LUA_TFUNCTION) {
        lua_pushinteger(L, event->attempt);
        cf_lua_push_error(L, &event->error);
        lua_pushinteger(L, event->delay_ms);
        if (lua_pcall(L, 3, 0, 0) != LUA_OK)
            cf_log(CF_LOG_WARN, "on_retry: %s", luaL_tolstring(L, -1, NULL));
    }
    lua_settop(L, top);
    free(event);
}

/* Net thread. */
static void on_retry(struct cf_call *call, const struct cf_retry_step *step,
                     const struct cf_error *err)
{
    struct waiting_call *waiting = call->owner;
    struct retry_event *event = cf_calloc(1, sizeof *event);
    event->completion.deliver = deliver_retry;
    event->L = waiting->L;
    event->attempt = step->attempt;
    event->delay_ms = step->delay_ms;
    event->error = *err;
    cf_queue_push(call->completions, &event->completion.link);
}

/* set_on_retry(fn or nil) */
static int call_set_on_retry(lua_State *L)
{
    lua_settop(L, 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &on_retry_key);
    return 0;
}

/* --- asking --- */

static const struct cf_model *check_model(lua_State *L, struct cf_engine *engine, const char *name)
{
    if (name == NULL)
        raise_config(L, "a call needs a model%s", "");
    const struct cf_model *model = cf_models_find(cf_engine_models(engine), name);
    if (model == NULL)
        raise_config(L,
                     "unknown model \"%s\"; give it a price with confab.setup{models = {[\"...\"] "
                     "= {price = ...}}}",
                     name);
    return model;
}

/* Says once a run which parameters the model does not take. */
static void tell_dropped(lua_State *L, const struct cf_model *model,
                         const struct cf_dropped *dropped)
{
    char text[CF_DROPPED_TEXT_MAX];
    cf_dropped_format(dropped, text);
    if (text[0] == '\0')
        return;
    lua_pushfstring(L, "confab.dropped.%s.%s", model->name, text);
    if (lua_getfield(L, LUA_REGISTRYINDEX, lua_tostring(L, -1)) == LUA_TNIL) {
        cf_log(CF_LOG_WARN, "%s does not take %s: not sent", model->name, text);
        lua_pushboolean(L, true);
        lua_setfield(L, LUA_REGISTRYINDEX, lua_tostring(L, -3));
    }
    lua_pop(L, 2);
}

/* Pushes the reply that the journal has; returns false if it cannot be read. */
static bool push_replayed(lua_State *L, struct cf_engine *engine, const struct cf_journal_call *row)
{
    struct cf_error err;
    struct cf_buf raw;
    struct cf_reply reply = { 0 };
    cf_buf_init(&raw, RAW_BYTES_MAX);
    int found = cf_reader_reply(cf_engine_reader(engine), row->call, &raw, &err);
    bool ok = found > 0 && cf_anthropic_decode(raw.data, raw.len, &reply, &err);
    cf_buf_done(&raw);
    if (found < 0) {
        cf_lua_raise(L, &err);
        return false;
    }
    if (!ok)
        return false;
    struct cf_lua_reply_facts facts = {
        .call_id = row->call, .cost_pico = row->cost_pico, .latency_ms = row->latency_ms,
        .attempts = (int)row->attempts, .is_replayed = true,
    };
    cf_lua_push_reply(L, &reply, &facts);
    return true;
}

/* Why a call would have to be sent. */
struct new_call {
    enum cf_new_call why;
    char changed[CF_REQUEST_DIFF_MAX];    /* fields, of one that takes the place of another */
};

static void tell_why(struct cf_engine *engine, const struct cf_item *item, const char *branch,
                     const uint8_t *hash, const struct cf_lua_request *request, int64_t ordinal,
                     struct new_call *out)
{
    const struct cf_journal_call *instead = NULL;
    out->why = cf_item_why_new(item, branch, hash, request->chat.max_tokens, ordinal, &instead);
    out->changed[0] = '\0';
    if (instead == NULL)
        return;
    struct cf_buf before;
    cf_buf_init(&before, CF_REQUEST_BYTES_MAX);
    if (cf_reader_request(cf_engine_reader(engine), instead->call, &before, NULL) > 0)
        cf_request_diff((struct cf_text){ cf_buf_str(&before), before.len },
                        (struct cf_text){ request->body.data, request->body.len }, out->changed);
    cf_buf_done(&before);
}

static void set_int(lua_State *L, const char *name, int64_t value)
{
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
}

/* Pushes what a request is expected to take, and at most: { model, bytes, input_tokens
 * (calibrated), output_room (tokens), bound (pico-dollars, -1 unknown) } */
static void push_measure(lua_State *L, struct cf_engine *engine, const struct cf_model *model,
                         const struct cf_lua_request *request, int64_t output_bound, int64_t bound_pico)
{
    int64_t estimate = cf_tokens_estimate(request->body.data, request->body.len);
    lua_createtable(L, 0, 8);
    lua_pushstring(L, model->name);
    lua_setfield(L, -2, "model");
    set_int(L, "bytes", (int64_t)request->body.len);
    set_int(L, "input_tokens",
            cf_calibration_apply(cf_engine_calibration(engine, model), estimate));
    set_int(L, "output_room", output_bound);
    set_int(L, "bound", bound_pico);
}

/* Makes what `hold` gets of a measure: { held = true, why, changed (fields, nil if none), ... } */
static int add_held(lua_State *L, const struct new_call *why)
{
    lua_pushboolean(L, true);
    lua_setfield(L, -2, "held");
    lua_pushstring(L, cf_new_call_name(why->why));
    lua_setfield(L, -2, "why");
    if (why->changed[0] != '\0') {
        lua_pushstring(L, why->changed);
        lua_setfield(L, -2, "changed");
    }
    return 1;
}

/* Every other new call would meet the same. */
static int raise_unsent(lua_State *L, const struct new_call *why, struct cf_error *err)
{
    struct cf_error told;
    if (why->changed[0] != '\0')
        cf_fail(&told, err->kind, "%s (%s: %s)", err->message, cf_new_call_name(why->why),
                why->changed);
    else
        cf_fail(&told, err->kind, "%s (%s)", err->message, cf_new_call_name(why->why));
    cf_lua_push_error(L, &told);
    lua_pushboolean(L, true);
    lua_setfield(L, -2, "stops_run");
    lua_pushboolean(L, true);
    lua_setfield(L, -2, "unsent");
    lua_pushliteral(L, "");
    lua_setfield(L, -2, "traceback");
    return lua_error(L);
}

/* The highest possible cost of a request, and the most output that it can have. */
static int64_t bound_of(const struct cf_lua_request *request, const struct cf_model *model,
                        int64_t *out_output)
{
    *out_output = cf_chat_request_output_bound(&request->chat, &model->features);
    struct cf_cost_limits limits = {
        .input_tokens = cf_chat_request_input_bound(&request->chat), .output_tokens = *out_output,
        .cache_mark = request->chat.cache,
    };
    return cf_cost_bound(&model->price, &limits);
}

/* measure(request) -> see push_measure */
static int call_measure(lua_State *L)
{
    struct cf_engine *engine = cf_lua_check_engine(L);
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    struct cf_lua_request *request = cf_lua_push_request(L);                 /* table request */
    cf_lua_read_request(L, 1, request);
    const struct cf_model *model = check_model(L, engine, request->chat.model);
    request->chat.model = model->name;

    struct cf_error err;
    struct cf_dropped dropped = { 0 };
    if (!cf_anthropic_build(&request->chat, &model->features, &request->body, &dropped, &err))
        return cf_lua_raise(L, &err);
    int64_t output_bound, bound_pico = bound_of(request, model, &output_bound);
    push_measure(L, engine, model, request, output_bound, bound_pico);
    return 1;
}

/* calibration(model) -> replies that it was learnt from, their mean ratio, the error of one
 * estimate (a share) */
static int call_calibration(lua_State *L)
{
    struct cf_engine *engine = cf_lua_check_engine(L);
    const struct cf_calibration *calibration =
        cf_engine_calibration(engine, check_model(L, engine, luaL_checkstring(L, 1)));
    lua_pushinteger(L, calibration->count);
    lua_pushnumber(L, calibration->count > 0 ? calibration->ratio : 1);
    lua_pushnumber(L, cf_calibration_error(calibration));
    return 3;
}

/* hash(request) -> the 32 bytes that tell its call from others */
static int call_hash(lua_State *L)
{
    struct cf_engine *engine = cf_lua_check_engine(L);
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    struct cf_lua_request *request = cf_lua_push_request(L);                 /* table request */
    cf_lua_read_request(L, 1, request);
    request->chat.model = check_model(L, engine, request->chat.model)->name;

    struct cf_error err;
    uint8_t hash[CF_SHA256_SIZE];
    if (!cf_chat_request_hash(&request->chat, hash, &err))
        return cf_lua_raise(L, &err);
    lua_pushlstring(L, (const char *)hash, sizeof hash);
    return 1;
}

/* stands(item, hash) -> whether the item was done with this one call, uncut: asked again it would
 * get the same reply. Nothing is read of the reply, and nothing is counted as asked. */
static int call_stands(lua_State *L)
{
    const struct cf_item *item = cf_lua_check_item(L, 1);
    size_t len;
    const char *hash = luaL_checklstring(L, 2, &len);
    luaL_argcheck(L, len == CF_SHA256_SIZE, 2, "this is no hash of a request");
    lua_pushboolean(L, cf_item_stands(item, (const uint8_t *)hash));
    return 1;
}

static int call_ask(lua_State *L)
{
    struct cf_engine *engine = cf_lua_check_engine(L);
    struct cf_item *item = cf_lua_check_item(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    cf_lua_check_wait(L, "a call");

    struct cf_lua_request *request = cf_lua_push_request(L);                 /* item table request */
    cf_lua_read_request(L, 2, request);
    const struct cf_model *model = check_model(L, engine, request->chat.model);
    request->chat.model = model->name;
    bool is_live = false;
    cf_lua_read_bool(L, 2, "live", &is_live);
    request->chat.stream =
        is_live || cf_chat_request_output_bound(&request->chat, &model->features) >
                       CF_ANTHROPIC_UNSTREAMED_MAX;

    struct cf_error err;
    uint8_t hash[CF_SHA256_SIZE];
    if (!cf_chat_request_hash(&request->chat, hash, &err))
        return cf_lua_raise(L, &err);

    const char *branch = cf_lua_read_string(L, 2, "branch");
    if (branch == NULL)
        branch = "";
    int64_t ordinal;
    bool serves;
    const struct cf_journal_call *row =
        cf_item_ask(item, branch, hash, request->chat.max_tokens, &ordinal, &serves);
    if (serves) {
        if (push_replayed(L, engine, row))
            return 1;
        item->new_calls++;           /* what is stored cannot be read: it is bought again */
    }
    if (cf_scheduler_stop_level(L) > CF_STOP_LEVEL_NONE)
        return cf_lua_wait_for_ever(L);

    struct cf_dropped dropped = { 0 };
    if (!cf_anthropic_build(&request->chat, &model->features, &request->body, &dropped, &err))
        return cf_lua_raise(L, &err);
    int64_t output_bound, bound_pico = bound_of(request, model, &output_bound);
    struct new_call why = { .why = CF_NEW_UNFINISHED };
    bool holds = false;
    cf_lua_read_bool(L, 2, "hold", &holds);
    if (holds) {
        tell_why(engine, item, branch, hash, request, ordinal, &why);
        push_measure(L, engine, model, request, output_bound, bound_pico);
        return add_held(L, &why);
    }
    if (bound_pico == CF_COST_UNKNOWN && cf_account_has_budget(&item->run->account))
        raise_config(L,
                     "the price of \"%s\" is not known, so no budget can be kept; give it one with "
                     "confab.setup{models = {[\"...\"] = {price = ...}}}",
                     model->name);
    if (!cf_engine_count_new(engine, &err)) {
        tell_why(engine, item, branch, hash, request, ordinal, &why);
        return raise_unsent(L, &why, &err);
    }
    tell_dropped(L, model, &dropped);

    int64_t template_id = 0;
    cf_lua_read_int(L, 2, "template", &template_id);
    bool wants_retries = false;
    cf_lua_read_bool(L, 2, "on_retry", &wants_retries);

    struct cf_lua_live *live = is_live ? cf_lua_push_live(L) : NULL;
    int live_at = lua_gettop(L);
    struct waiting_call *waiting = cf_calloc(1, sizeof *waiting);
    struct cf_call *call = cf_call_new();
    waiting->call = call;
    waiting->item = item;
    waiting->ticket = cf_scheduler_ticket(L);
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
    waiting->L = lua_tothread(L, -1);
    call->completion.deliver = deliver_call;
    call->completions = cf_scheduler_completions(L);
    call->owner = waiting;
    call->account = &item->run->account;
    call->run = item->run->id;
    call->item = item->id;
    call->template_id = template_id;
    snprintf(call->branch, sizeof call->branch, "%s", branch);
    snprintf(call->item_name, sizeof call->item_name, "%s", item->name);
    memcpy(call->hash, hash, sizeof call->hash);
    call->ordinal = ordinal;
    call->call_id = row != NULL ? row->call : 0;
    call->model = model;
    call->body = cf_buf_take(&request->body, &call->body_len);
    call->max_tokens = request->chat.max_tokens;
    call->output_bound = output_bound;
    call->bound_pico = bound_pico;
    waiting->input_estimate = cf_tokens_estimate(call->body, call->body_len);
    call->amounts = (struct cf_amounts){
        1,
        cf_calibration_apply(cf_engine_calibration(engine, model), waiting->input_estimate),
        output_bound,
    };
    call->on_retry = wants_retries ? on_retry : NULL;
    cf_lua_read_ending(L, 2, item, call);
    waiting->live = live;
    if (live != NULL)
        cf_lua_live_begin(waiting->L, live, call, waiting->ticket);
    else if (request->chat.stream)
        call->stream = cf_stream_new(call->completions, NULL, NULL);
    uint64_t ticket = waiting->ticket;
    cf_sender_submit(cf_engine_sender(engine), call);

    if (live != NULL) {
        lua_settop(L, live_at);
        lua_pushboolean(L, true);
        return 2;
    }
    lua_settop(L, 1);
    return cf_lua_wait(L, ticket, "a call");
}

/* --- replies that do not serve --- */

struct rejection {
    struct cf_completion completion;
    struct cf_write_call_rejected write;
    struct cf_queue *completions;
    char kind[24], *message;
};

static void deliver_rejection(struct cf_completion *completion, void *context)
{
    (void)context;
    struct rejection *rejection = (struct rejection *)completion;
    free(rejection->message);
    free(rejection);
}

/* Store thread. A log row that could not be written is not worth a run: what follows will tell. */
static void on_rejection_stored(struct cf_write *write, const struct cf_error *err)
{
    struct rejection *rejection = write->owner;
    if (err != NULL)
        cf_log(CF_LOG_WARN, "a log row could not be written: %s", err->message);
    cf_queue_push(rejection->completions, &rejection->completion.link);
}

static int call_reject(lua_State *L)
{
    struct cf_engine *engine = cf_lua_check_engine(L);
    struct cf_item *item = cf_lua_check_item(L, 1);
    int64_t call_id = luaL_checkinteger(L, 2);
    const char *kind = luaL_checkstring(L, 3), *message = luaL_checkstring(L, 4);

    struct rejection *rejection = cf_calloc(1, sizeof *rejection);
    rejection->completion.deliver = deliver_rejection;
    rejection->completions = cf_scheduler_completions(L);
    snprintf(rejection->kind, sizeof rejection->kind, "%s", kind);
    rejection->message = cf_strdup(message);
    rejection->write = (struct cf_write_call_rejected){
        .write = { .apply = cf_write_call_rejected,
                   .on_done = on_rejection_stored,
                   .owner = rejection },
        .run = item->run->id,
        .item = item->id,
        .call = call_id,
        .error_kind = rejection->kind,
        .error_message = rejection->message,
    };
    cf_store_submit(cf_engine_store(engine), &rejection->write.write);
    return 0;
}

static int call_model(lua_State *L)
{
    const struct cf_model *model =
        cf_models_find(cf_engine_models(cf_lua_check_engine(L)), luaL_checkstring(L, 1));
    if (model == NULL)
        return 0;
    struct cf_cost_limits few = { .input_tokens = 1, .output_tokens = 1 };
    lua_createtable(L, 0, 7);
    lua_pushboolean(L, cf_cost_bound(&model->price, &few) != CF_COST_UNKNOWN);
    lua_setfield(L, -2, "is_priced");
    lua_pushstring(L, model->name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, model->limit_class);
    lua_setfield(L, -2, "limit_class");
    lua_pushinteger(L, model->features.max_output);
    lua_setfield(L, -2, "max_output");
    lua_pushboolean(L, model->is_retired);
    lua_setfield(L, -2, "is_retired");
    lua_pushstring(L, model->successor);
    lua_setfield(L, -2, "successor");
    return 1;
}

int cf_lua_open_call(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "ask", call_ask },
        { "hash", call_hash },
        { "stands", call_stands },
        { "reject", call_reject },
        { "model", call_model },
        { "measure", call_measure },
        { "calibration", call_calibration },
        { "set_on_retry", call_set_on_retry },
        { "add_earlier", cf_lua_reply_add_earlier },
        { NULL, NULL },
    };
    cf_lua_open_reply(L);
    luaL_newlib(L, functions);
    return 1;
}
