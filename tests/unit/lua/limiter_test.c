/* What only C can do to a limiter: close it while coroutines wait, and close the whole state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "confab/clock.h"
#include "confab/error.h"
#include "lua/limiter.h"
#include "lua/raise.h"
#include "lua/scheduler.h"

/* Nobody gets a second turn within the hour. */
#define PROLOGUE                                                                                 \
    "local l = limiter.new { max_requests = 1, window_ms = 3600000, pause_threshold = 1,\n"      \
    "                        pacing = 'burst' }\n"                                               \
    "local function waits(f)\n"                                                                  \
    "  scheduler.spawn(function()\n"                                                             \
    "    local ok, err = pcall(f)\n"                                                             \
    "    table.insert(told, ok and 'ok' or err.kind)\n"                                          \
    "  end)\n"                                                                                   \
    "end\n"                                                                                      \
    "local function let_others_go_on()\n"                                                        \
    "  local ticket = scheduler.ticket()\n"                                                      \
    "  scheduler.spawn(function() scheduler.wake(ticket, true) end)\n"                           \
    "  scheduler.wait(ticket)\n"                                                                 \
    "end\n"

static int close_limiters(lua_State *L)
{
    cf_lua_close_limiters(L);
    return 0;
}

static lua_State *new_state(bool is_program)
{
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    cf_scheduler_open(L, cf_clock_system(), is_program);
    cf_lua_open_limiter(L);
    lua_setglobal(L, "limiter");
    cf_lua_open_scheduler(L);
    lua_setglobal(L, "scheduler");
    lua_pushcfunction(L, close_limiters);
    lua_setglobal(L, "close_limiters");
    lua_newtable(L);
    lua_setglobal(L, "told");
    return L;
}

static void run(lua_State *L, const char *script)
{
    if (luaL_dostring(L, script) != LUA_OK)
        fail_msg("%s", luaL_tolstring(L, -1, NULL));
    assert_int_equal(lua_gettop(L), 0);
}

static void closing_ends_every_kind_of_waiting(void **state)
{
    (void)state;
    lua_State *L = new_state(false);
    run(L, PROLOGUE
        "local held = l:reserve('refused')\n"
        "l:acquire('a')\n"
        "l:acquire('b')\n"
        "l:acquire('c')\n"
        "waits(function() l:acquire('a') end)\n"
        "waits(function() l:reserve('b') end)\n"
        "waits(function() l:wait_for_capacity('c') end)\n"
        "waits(function() held:refused(3600000) end)\n"
        "let_others_go_on()\n"
        "assert(#told == 0 and l:status('a').queued == 1 and l:status('refused').queued == 1)\n"
        "close_limiters()\n"
        "while #told < 4 do let_others_go_on() end\n"
        "assert(table.concat(told, ' ') == 'cancelled cancelled cancelled cancelled')\n"
        "assert(l:status('a').queued == 0 and l:status('refused').in_flight == 0)\n"
        "assert(not pcall(held.release, held))\n");
    lua_close(L);
}

static void a_closed_limiter_stays_closed(void **state)
{
    (void)state;
    lua_State *L = new_state(false);
    run(L, PROLOGUE
        "local held = l:reserve('held')\n"
        "close_limiters()\n"
        "waits(function() l:acquire() end)\n"
        "waits(function() l:reserve() end)\n"
        "waits(function() l:wait_for_capacity() end)\n"
        "waits(function() held:refused(1) end)\n"
        "let_others_go_on()\n"
        "assert(table.concat(told, ' ') == 'cancelled cancelled cancelled cancelled')\n"
        "held:release()\n");
    lua_close(L);
}

static void after_a_stop_who_waited_does_not_go_on(void **state)
{
    (void)state;
    lua_State *L = new_state(false);
    run(L, PROLOGUE
        "l:acquire()\n"
        "waits(function() l:acquire() end)\n"
        "let_others_go_on()\n");
    cf_scheduler_stop(L, CF_STOP_LEVEL_DRAIN);
    run(L, "close_limiters()\n"
           "local ticket = scheduler.ticket()\n"
           "scheduler.spawn(function() scheduler.wake(ticket, true) end)\n"
           "scheduler.wait(ticket)\n"
           "assert(#told == 0)\n");
    lua_close(L);
}

static void a_state_may_close_while_coroutines_wait(void **state)
{
    (void)state;
    lua_State *L = new_state(false);
    run(L, PROLOGUE
        "local held = l:reserve('refused')\n"
        "l:acquire('a')\n"
        "waits(function() l:acquire('a') end)\n"
        "waits(function() l:reserve('a') end)\n"
        "waits(function() held:refused(3600000) end)\n"
        "let_others_go_on()\n"
        "reservation_left = l:reserve('left')\n");
    lua_close(L);
}

static void the_program_waits_in_its_main_chunk(void **state)
{
    (void)state;
    lua_State *L = new_state(true);
    struct cf_error err;
    assert_int_equal(luaL_loadstring(L, "local l = limiter.new { max_requests = 1, window_ms = 10,"
                                        " pause_threshold = 1 }\n"
                                        "for _ = 1, 3 do l:acquire() end\n"
                                        "l:wait_for_capacity()\n"
                                        "l:reserve():release()\n"),
                     LUA_OK);
    assert_int_equal(cf_scheduler_run(L, 0, &err), CF_SCRIPT_RETURNED);
    lua_close(L);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closing_ends_every_kind_of_waiting),
        cmocka_unit_test(a_closed_limiter_stays_closed),
        cmocka_unit_test(after_a_stop_who_waited_does_not_go_on),
        cmocka_unit_test(a_state_may_close_while_coroutines_wait),
        cmocka_unit_test(the_program_waits_in_its_main_chunk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
