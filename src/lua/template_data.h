/* template_data.h - Lua values as the data of a template. */
#ifndef CONFAB_LUA_TEMPLATE_DATA_H
#define CONFAB_LUA_TEMPLATE_DATA_H

#include <lua.h>

#include "confab/buf.h"
#include "confab/template.h"

/* What a rendering appends to. In a userdata, for a callback may raise. */
struct cf_lua_template_box {
    struct cf_buf text;      /* owned */
    struct cf_buf number;    /* owned; the text of the last number */
};

/* A value's number is its index on the Lua stack, where everything that was got lies until it is
 * released. */
struct cf_lua_template_source {
    lua_State *L;
    struct cf_lua_template_box *box;    /* borrowed */
    int root;                           /* the parameters */
    enum cf_value_kind root_kind;
    int around;                         /* functions of the template, or 0 */
    const char *last_name;              /* lent by the map whose names are being listed */
};

/* Pushes an empty box. */
struct cf_lua_template_box *cf_lua_push_template_box(lua_State *L);

/* Fills *out and the kind of the root: parameters are a map even if they are empty, and a list only
 * if they have no other names. */
void cf_lua_template_data(struct cf_lua_template_source *source, struct cf_template_data *out);

/* The text of the string, number or boolean at idx; lent until the next one. */
const char *cf_lua_template_text(struct cf_lua_template_source *source, int idx, size_t *out_len);
#endif
