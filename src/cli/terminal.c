#include "cli/terminal.h"

#include <errno.h>
#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <histedit.h>
#include <lauxlib.h>

#include "lua/scheduler.h"

#define HISTORY_LINES  10000
#define LINE_BYTES_MAX (1u << 20)
#define LISTED_MAX     100      /* candidates shown at once */

/* One program, one terminal: libedit's callbacks get no pointer of ours that would say more. */
static struct terminal {
    lua_State *L;               /* while a line is read */
    EditLine  *edit;            /* NULL: not a terminal, or not asked yet */
    History   *history;
    const char *prompt;         /* lent by the read */
} terminal;

static const char *show_prompt(EditLine *edit)
{
    (void)edit;
    return terminal.prompt;
}

/* --- completion --- */

/* What all candidates begin with: its length. */
static size_t common_length(lua_State *L, int list, lua_Integer count)
{
    size_t common = 0;
    for (lua_Integer i = 1; i <= count; i++) {
        size_t len, same = 0;
        lua_rawgeti(L, list, 1);
        lua_rawgeti(L, list, i);
        const char *first = lua_tolstring(L, -2, &common), *text = lua_tolstring(L, -1, &len);
        while (same < common && same < len && first[same] == text[same])
            same++;
        lua_pop(L, 2);
        if (i == 1)
            continue;
        if (same == 0)
            return 0;
        lua_rawgeti(L, list, 1);
        /* shortens the first, which is compared with */
        lua_pushlstring(L, lua_tostring(L, -1), same);
        lua_rawseti(L, list, 1);
        lua_pop(L, 1);
        common = same;
    }
    while (common > 0) {                                  /* not within a character */
        lua_rawgeti(L, list, 1);
        unsigned char next = (unsigned char)lua_tostring(L, -1)[common];
        lua_pop(L, 1);
        if ((next & 0xC0) != 0x80)
            break;
        common--;
    }
    return common;
}

static void list_candidates(lua_State *L, int list, lua_Integer count)
{
    int widest = 1, columns = 80;
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        columns = size.ws_col;
    lua_Integer shown = count < LISTED_MAX ? count : LISTED_MAX;
    for (lua_Integer i = 1; i <= shown; i++) {
        lua_rawgeti(L, list, i);
        int len = (int)lua_rawlen(L, -1);
        widest = len > widest ? len : widest;
        lua_pop(L, 1);
    }
    int per_line = columns / (widest + 2) > 0 ? columns / (widest + 2) : 1;
    putchar('\n');
    for (lua_Integer i = 1; i <= shown; i++) {
        lua_rawgeti(L, list, i);
        printf("%-*s", widest + 2, lua_tostring(L, -1));
        lua_pop(L, 1);
        if (i % per_line == 0 || i == shown)
            putchar('\n');
    }
    if (count > shown)
        printf("... (%d more)\n", (int)(count - shown));
    fflush(stdout);
}

/* The Tab key: puts in what all candidates have in common; lists them where that is nothing new. */
static unsigned char complete(EditLine *edit, int key)
{
    (void)key;
    lua_State *L = terminal.L;
    const LineInfo *line = el_line(edit);
    size_t before = (size_t)(line->cursor - line->buffer);
    int top = lua_gettop(L);
    unsigned char result = CC_ERROR;

    if (lua_isnil(L, 2))
        return CC_ERROR;
    lua_pushvalue(L, 2);
    lua_pushlstring(L, line->buffer, before);
    if (lua_pcall(L, 1, 2, 0) == LUA_OK && lua_istable(L, -1)) {
        lua_Integer from = lua_tointeger(L, -2), count = (lua_Integer)lua_rawlen(L, -1);
        int list = lua_gettop(L);
        size_t typed =
            from >= 1 && (size_t)from <= before + 1 ? before - (size_t)(from - 1) : before;
        if (count > 0) {
            lua_newtable(L);                              /* the list stays whole for showing it */
            for (lua_Integer i = 1; i <= count; i++) {
                lua_rawgeti(L, list, i);
                lua_rawseti(L, -2, i);
            }
            size_t common = common_length(L, lua_gettop(L), count);
            if (common > typed) {
                lua_rawgeti(L, -1, 1);
                lua_pushlstring(L, lua_tostring(L, -1) + typed, common - typed);
                if (el_insertstr(edit, lua_tostring(L, -1)) == 0)
                    result = CC_REFRESH;
            } else if (count > 1) {
                list_candidates(L, list, count);
                result = CC_REDISPLAY;
            }
        }
    }
    lua_settop(L, top);
    return result;
}

/* --- the editor --- */

static void start_editor(void)
{
    HistEvent event;
    setlocale(LC_CTYPE, "");                              /* LC_NUMERIC stays C */
    terminal.edit = el_init("confab", stdin, stdout, stderr);
    terminal.history = history_init();
    if (terminal.edit == NULL || terminal.history == NULL)
        return;
    history(terminal.history, &event, H_SETSIZE, HISTORY_LINES);
    history(terminal.history, &event, H_SETUNIQUE, 1);
    el_set(terminal.edit, EL_EDITOR, "emacs");
    el_set(terminal.edit, EL_PROMPT, show_prompt);
    el_set(terminal.edit, EL_HIST, history, terminal.history);
    el_set(terminal.edit, EL_SIGNAL, 0);
    el_set(terminal.edit, EL_ADDFN, "confab-complete", "Completes the word before the cursor",
           complete);
    el_set(terminal.edit, EL_BIND, "^I", "confab-complete", NULL);
    el_set(terminal.edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
    el_source(terminal.edit, NULL);                       /* ~/.editrc */
}

static bool is_terminal(void)
{
    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

/* A line from a pipe or a file. 1: there is one, 0: the end, -1: interrupted. */
static int read_plain(lua_State *L)
{
    char *text = NULL;
    size_t room = 0;
    errno = 0;
    ssize_t len = getline(&text, &room, stdin);
    if (len > 0 && text[len - 1] == '\n')
        len--;
    if (len >= 0)
        lua_pushlstring(L, text, (size_t)len);
    bool was_interrupted = len < 0 && errno == EINTR;
    free(text);
    clearerr(stdin);
    return len >= 0 ? 1 : was_interrupted ? -1 : 0;
}

static int read_edited(lua_State *L)
{
    int len;
    terminal.L = L;
    terminal.prompt = lua_tostring(L, 1);
    const char *text = el_gets(terminal.edit, &len);
    terminal.L = NULL;
    if (text == NULL || len < 0) {
        el_reset(terminal.edit);
        return len < 0 && errno == EINTR ? -1 : 0;
    }
    if (len > 0 && text[len - 1] == '\n')
        len--;
    lua_pushlstring(L, text, (size_t)len < LINE_BYTES_MAX ? (size_t)len : LINE_BYTES_MAX);
    return 1;
}

static int terminal_read(lua_State *L)
{
    luaL_checkstring(L, 1);
    lua_settop(L, 2);
    fflush(stdout);
    if (is_terminal() && terminal.edit == NULL)
        start_editor();
    cf_scheduler_take_interrupt();
    if (terminal.edit != NULL)
        el_resize(terminal.edit);
    int got = is_terminal() && terminal.edit != NULL ? read_edited(L) : read_plain(L);
    if (got > 0)
        return 1;
    bool was_interrupted = cf_scheduler_take_interrupt() || got < 0;
    if (was_interrupted && !cf_scheduler_was_signalled())
        lua_pushboolean(L, false);
    else
        lua_pushnil(L);
    return 1;
}

static int terminal_remember(lua_State *L)
{
    HistEvent event;
    const char *text = luaL_checkstring(L, 1);
    if (terminal.history != NULL && text[0] != '\0')
        history(terminal.history, &event, H_ENTER, text);
    return 0;
}

static int terminal_load_history(lua_State *L)
{
    HistEvent event;
    const char *path = luaL_checkstring(L, 1);
    if (is_terminal() && terminal.edit == NULL)
        start_editor();
    if (terminal.history != NULL)
        history(terminal.history, &event, H_LOAD, path);  /* no file: no history yet */
    return 0;
}

/* Prompts may hold what is nobody else's business: the file is the owner's alone. */
static int terminal_save_history(lua_State *L)
{
    HistEvent event;
    const char *path = luaL_checkstring(L, 1);
    if (terminal.history == NULL)
        return 0;
    mode_t mask = umask(077);
    int written = history(terminal.history, &event, H_SAVE, path);
    umask(mask);
    if (written >= 0) {
        lua_pushboolean(L, true);
        return 1;
    }
    lua_pushnil(L);
    lua_pushfstring(L, "%s: %s", path, strerror(errno));
    return 2;
}

static int terminal_size(lua_State *L)
{
    struct winsize size;
    bool has = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0;
    lua_pushinteger(L, has ? size.ws_col : 80);
    lua_pushinteger(L, has ? size.ws_row : 24);
    return 2;
}

static int open_terminal(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "read", terminal_read }, { "remember", terminal_remember }, { "size", terminal_size },
        { "load_history", terminal_load_history }, { "save_history", terminal_save_history },
        { NULL, NULL },
    };
    luaL_newlib(L, functions);
    lua_pushboolean(L, is_terminal());
    lua_setfield(L, -2, "is_terminal");
    return 1;
}

void cf_terminal_open(lua_State *L)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushcfunction(L, open_terminal);
    lua_setfield(L, -2, "confab.terminal");
    lua_pop(L, 1);
}
