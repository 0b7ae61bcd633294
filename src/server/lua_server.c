#include "server/lua_server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "confab/error.h"
#include "engine/engine.h"
#include "lua/engine.h"
#include "lua/raise.h"
#include "lua/scheduler.h"
#include "server/job.h"
#include "server/server.h"

#define SERVER_MT "confab.server"
#define JOB_MT    "confab.server.job"

static const char on_job_key = 0; /* registry: the function that gets the jobs */

/* --- a job --- */

struct lua_job {
    struct cf_job *job;
}; /* our side of it; NULL once it is let go of */

static const struct cf_text gone = {
    "{\"error\":\"unavailable\",\"message\":\"the server is about to stop\"}",
    sizeof "{\"error\":\"unavailable\",\"message\":\"the server is about to stop\"}" - 1,
};
static const struct cf_text unanswered = {
    "{\"error\":\"internal_error\",\"message\":\"the request was given up, see the server's log\"}",
    sizeof "{\"error\":\"internal_error\",\"message\":\"the request was given up, see the server's "
           "log\"}" -
        1,
};

/* Also __gc: a job that nobody can answer any more must not keep its worker. */
static int job_gc(lua_State *L)
{
    struct lua_job *self = luaL_checkudata(L, 1, JOB_MT);
    if (self->job != NULL) {
        cf_job_answer(self->job, 500, -1, unanswered);
        cf_job_release(self->job);
    }
    self->job = NULL;
    return 0;
}

/* reply(status, json, retry_after_s) */
static int job_reply(lua_State *L)
{
    struct lua_job *self = luaL_checkudata(L, 1, JOB_MT);
    int status = (int)luaL_checkinteger(L, 2);
    struct cf_text json;
    json.data = luaL_checklstring(L, 3, &json.len);
    int64_t retry_after_s = luaL_optinteger(L, 4, -1);
    luaL_argcheck(L, self->job != NULL, 1, "it was answered");
    cf_job_answer(self->job, status, retry_after_s, json);
    cf_job_release(self->job);
    self->job = NULL;
    return 0;
}

static int close_file(lua_State *L)
{
    luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);
    return luaL_fileresult(L, fclose(stream->f) == 0, NULL);
}

/* Pushes a file of the script's own on the requests. */
static void push_requests(lua_State *L, int requests)
{
    luaL_Stream *stream = lua_newuserdatauv(L, sizeof *stream, 0);
    stream->closef = NULL;
    luaL_setmetatable(L, LUA_FILEHANDLE);
    int fd = fcntl(requests, F_DUPFD_CLOEXEC, 0);
    stream->f = fd >= 0 ? fdopen(fd, "r") : NULL;
    if (stream->f == NULL)
        luaL_error(L, "the requests cannot be read: %s", strerror(errno));
    stream->closef = close_file;
}

static int job_index(lua_State *L)
{
    struct lua_job *self = luaL_checkudata(L, 1, JOB_MT);
    const char *name = luaL_checkstring(L, 2);
    if (strcmp(name, "reply") == 0) {
        lua_pushcfunction(L, job_reply);
        return 1;
    }
    if (self->job == NULL)
        return 0;
    const struct cf_job_question *question = cf_job_question(self->job);
    if (strcmp(name, "task") == 0)
        lua_pushstring(L, question->task);
    else if (strcmp(name, "id") == 0)
        lua_pushstring(L, question->id);
    else if (strcmp(name, "key") == 0)
        lua_pushstring(L, question->key);
    else if (strcmp(name, "body") == 0 && question->body.data != NULL)
        lua_pushlstring(L, question->body.data, question->body.len);
    else if (strcmp(name, "requests") == 0 && question->has_requests)
        push_requests(L, question->requests);
    else if (strcmp(name, "last_event_id") == 0 && question->last_event_id > 0)
        lua_pushinteger(L, question->last_event_id);
    else
        lua_pushnil(L);
    return 1;
}

/* (job as a light userdata): makes it a value and calls on_job with it. Under pcall. */
static int pass_on(lua_State *L)
{
    struct cf_job *job = lua_touserdata(L, 1);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &on_job_key);               /* job on_job */
    struct lua_job *self = lua_newuserdatauv(L, sizeof *self, 0); /* job on_job value */
    self->job = job;
    luaL_setmetatable(L, JOB_MT);
    lua_call(L, 1, 0);
    return 0;
}

/* Script thread. */
static void deliver(struct cf_completion *completion, void *context)
{
    struct cf_job *job = cf_job_of(completion);
    lua_State *L = context;
    if (cf_scheduler_has_ended(L)) {
        cf_job_answer(job, 503, -1, gone);
        cf_job_release(job);
        return;
    }
    lua_pushcfunction(L, pass_on);
    lua_pushlightuserdata(L, job);
    if (lua_pcall(L, 1, 0, 0) !=
        LUA_OK) { /* the value, if it came to be, is collected and answers */
        cf_log(CF_LOG_WARN, "server: a request could not be handed over: %s",
               luaL_tolstring(L, -1, NULL));
        lua_pop(L, 2);
    }
}

/* --- the server --- */

struct lua_server {
    struct cf_server *server; /* owned; NULL before start and after stop */
    struct cf_jobs *jobs;     /* owned */
    const char **offered;     /* owned, with its texts; ended by NULL */
};

static void free_offered(struct lua_server *self)
{
    for (size_t i = 0; self->offered != NULL && self->offered[i] != NULL; i++)
        free((char *)self->offered[i]);
    free(self->offered);
    self->offered = NULL;
}

/* Copies the list of uuids at that index. */
static void copy_offered(lua_State *L, int index, struct lua_server *self)
{
    size_t count = (size_t)lua_rawlen(L, index);
    self->offered = cf_calloc(count + 1, sizeof *self->offered);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, index, (lua_Integer)i + 1);
        const char *uuid = lua_tostring(L, -1);
        self->offered[i] = cf_strdup(uuid != NULL ? uuid : "");
        lua_pop(L, 1);
    }
}

/* stop(), __close, __gc */
static int server_stop(lua_State *L)
{
    struct lua_server *self = luaL_checkudata(L, 1, SERVER_MT);
    if (self->server != NULL)
        cf_server_drain(self->server);
    if (self->jobs != NULL)
        cf_jobs_close(self->jobs);
    if (self->server != NULL)
        cf_server_stop(self->server);
    cf_jobs_free(self->jobs);
    free_offered(self);
    self->server = NULL;
    self->jobs = NULL;
    return 0;
}

static int server_drain(lua_State *L)
{
    struct lua_server *self = luaL_checkudata(L, 1, SERVER_MT);
    if (self->server != NULL)
        cf_server_drain(self->server);
    return 0;
}

static int server_index(lua_State *L)
{
    struct lua_server *self = luaL_checkudata(L, 1, SERVER_MT);
    const char *name = luaL_checkstring(L, 2);
    if (strcmp(name, "url") == 0)
        lua_pushstring(L, self->server != NULL ? cf_server_url(self->server) : NULL);
    else if (strcmp(name, "drain") == 0)
        lua_pushcfunction(L, server_drain);
    else if (strcmp(name, "stop") == 0)
        lua_pushcfunction(L, server_stop);
    else
        lua_pushnil(L);
    return 1;
}

static int server_start(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    lua_insert(L, 1);                                             /* offered on_job */
    struct cf_engine *engine = cf_lua_check_engine(L);
    struct cf_server_options options =
        *(const struct cf_server_options *)lua_touserdata(L, lua_upvalueindex(1));
    lua_rawsetp(L, LUA_REGISTRYINDEX, &on_job_key);

    struct lua_server *self = lua_newuserdatauv(L, sizeof *self, 0);
    *self = (struct lua_server){ 0 };
    luaL_setmetatable(L, SERVER_MT);
    copy_offered(L, 1, self);
    self->jobs = cf_jobs_new(cf_scheduler_completions(L), deliver);
    options.db_path = cf_engine_db_path(engine);
    options.store = cf_engine_store(engine);
    options.jobs = self->jobs;
    options.events = cf_engine_events(engine);
    options.sender = cf_engine_sender(engine);
    options.offered = self->offered;
    struct cf_error err;
    if (!cf_server_start(&options, &self->server, &err))
        return cf_lua_raise(L, &err);
    return 1;
}

static void new_metatable(lua_State *L, const char *name, lua_CFunction index, lua_CFunction gc)
{
    luaL_newmetatable(L, name);
    lua_pushcfunction(L, index);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, gc);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, gc);
    lua_setfield(L, -2, "__close");
    lua_pop(L, 1);
}

void cf_lua_server_open(lua_State *L, const struct cf_server_options *options)
{
    new_metatable(L, SERVER_MT, server_index, server_stop);
    new_metatable(L, JOB_MT, job_index, job_gc);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE); /* loaded */
    lua_newtable(L);                                          /* loaded server */
    lua_pushlightuserdata(L, (void *)options);
    lua_pushcclosure(L, server_start, 1);
    lua_setfield(L, -2, "start");
    lua_setfield(L, -2, "confab.server");
    lua_pop(L, 1);
}
