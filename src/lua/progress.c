#include "lua/progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <lauxlib.h>

#include "base/log.h"

#define LINE_MAX_BYTES 1024

/* Written by the script thread, read by whichever thread logs, under the log's lock: draw goes
 * through cf_log_set_display, which takes it. */
static struct display { char line[LINE_MAX_BYTES]; } displays[2];
static int current;

static void write_stderr(const char *text, size_t len)
{
    ssize_t ignored = write(STDERR_FILENO, text, len);
    (void)ignored;
}

static void hide(void *self)
{
    (void)self;
    write_stderr("\r\033[K", 4);
}

static void show(void *self)
{
    const struct display *display = self;
    write_stderr(display->line, strlen(display->line));
}

static int terminal_width(void)
{
    struct winsize size;
    if (!isatty(STDERR_FILENO) || ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0)
        return 0;
    return size.ws_col > 0 ? size.ws_col : 80;
}

static int progress_width(lua_State *L)
{
    int width = terminal_width();
    if (width == 0)
        return 0;
    lua_pushinteger(L, width);
    return 1;
}

/* The start of text that fills at most `width` columns, every character taken as one wide. */
static size_t cut_to_width(const char *text, size_t len, int width)
{
    size_t at = 0;
    for (int column = 0; at < len && column < width; column++) {
        at++;
        while (at < len && ((unsigned char)text[at] & 0xC0) == 0x80)
            at++;
    }
    return at;
}

static int progress_draw(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    len = cut_to_width(text, len, terminal_width() - 1);
    if (len > LINE_MAX_BYTES - 8)
        len = LINE_MAX_BYTES - 8;

    struct display *next = &displays[!current];
    snprintf(next->line, sizeof next->line, "\r\033[K%.*s", (int)len, text);
    current = !current;
    cf_log_set_display(hide, show, next);
    show(next);
    return 0;
}

static int progress_clear(lua_State *L)
{
    (void)L;
    cf_log_set_display(NULL, NULL, NULL);
    if (terminal_width() > 0)
        hide(NULL);
    return 0;
}

static int progress_say(lua_State *L)
{
    cf_log(CF_LOG_INFO, "%s", luaL_checkstring(L, 1));
    return 0;
}

static int progress_warn(lua_State *L)
{
    cf_log(CF_LOG_WARN, "%s", luaL_checkstring(L, 1));
    return 0;
}

static int progress_detail(lua_State *L)
{
    cf_log(CF_LOG_DEBUG, "%s", luaL_checkstring(L, 1));
    return 0;
}

int cf_lua_open_progress(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "width", progress_width },
        { "draw", progress_draw },
        { "clear", progress_clear },
        { "say", progress_say },
        { "warn", progress_warn },
        { "detail", progress_detail },
        { NULL, NULL },
    };
    luaL_newlib(L, functions);
    return 1;
}
