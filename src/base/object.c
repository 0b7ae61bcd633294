#include "base/object.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "confab/buf.h"
#include "confab/error.h"
#include "confab/money.h"

/* A comma unless it is the first of its object or list, and the name. */
static void begin(struct cf_buf *out, const char *name)
{
    char last = out->len > 0 ? out->data[out->len - 1] : '{';
    if (last != '{' && last != '[')
        cf_buf_addc(out, ',');
    if (name != NULL) {
        cf_json_add_string(out, name, strlen(name));
        cf_buf_addc(out, ':');
    }
}

void cf_object_open(struct cf_buf *out, const char *name)
{
    begin(out, name);
    cf_buf_addc(out, '{');
}

void cf_object_close(struct cf_buf *out)
{
    cf_buf_addc(out, '}');
}

void cf_object_open_list(struct cf_buf *out, const char *name)
{
    begin(out, name);
    cf_buf_addc(out, '[');
}

void cf_object_close_list(struct cf_buf *out)
{
    cf_buf_addc(out, ']');
}

void cf_object_text(struct cf_buf *out, const char *name, struct cf_text value)
{
    begin(out, name);
    if (value.data == NULL)
        cf_buf_adds(out, "null");
    else
        cf_json_add_string(out, value.data, value.len);
}

void cf_object_str(struct cf_buf *out, const char *name, const char *value)
{
    cf_object_text(out, name, (struct cf_text){ value, value != NULL ? strlen(value) : 0 });
}

void cf_object_int(struct cf_buf *out, const char *name, int64_t value)
{
    begin(out, name);
    cf_buf_addf(out, "%" PRId64, value);
}

static void add_null(struct cf_buf *out, const char *name)
{
    begin(out, name);
    cf_buf_adds(out, "null");
}

void cf_object_count(struct cf_buf *out, const char *name, int64_t value)
{
    if (value < 0)
        add_null(out, name);
    else
        cf_object_int(out, name, value);
}

void cf_object_number(struct cf_buf *out, const char *name, double value)
{
    begin(out, name);
    cf_json_add_number(out, value);
}

void cf_object_bool(struct cf_buf *out, const char *name, bool value)
{
    begin(out, name);
    cf_buf_adds(out, value ? "true" : "false");
}

void cf_object_usd(struct cf_buf *out, const char *name, int64_t pico)
{
    char text[CF_MONEY_TEXT_MAX];
    if (pico < 0) {
        add_null(out, name);
        return;
    }
    cf_money_format_exact(pico, text);
    begin(out, name);
    cf_buf_adds(out, text);
}

void cf_object_json(struct cf_buf *out, const char *name, struct cf_text json)
{
    if (json.data == NULL || !cf_json_check(json.data, json.len, NULL, NULL)) {
        cf_object_text(out, name, json);
        return;
    }
    begin(out, name);
    /* Line breaks can only stand between tokens: one element stays one line. */
    for (size_t i = 0; i < json.len; i++)
        cf_buf_addc(out, json.data[i] == '\n' || json.data[i] == '\r' ? ' ' : json.data[i]);
}

/* --- printing --- */

static bool print(struct cf_buf *text, struct cf_error *err)
{
    if (!cf_buf_ok(text))
        return cf_fail(err, CF_ERR_STORAGE, "one row is over %u MB as JSON", CF_OBJECT_MAX >> 20);
    fwrite(cf_buf_str(text), 1, text->len, stdout);
    cf_buf_clear(text);
    return true;
}

void cf_object_list_begin(struct cf_object_list *list)
{
    list->any = false;
    putchar('[');
}

bool cf_object_list_add(struct cf_object_list *list, struct cf_buf *element, struct cf_error *err)
{
    fputs(list->any ? ",\n" : "\n", stdout);
    list->any = true;
    return print(element, err);
}

void cf_object_list_end(struct cf_object_list *list)
{
    fputs(list->any ? "\n]\n" : "]\n", stdout);
}

bool cf_object_print(struct cf_buf *object, struct cf_error *err)
{
    if (!print(object, err))
        return false;
    putchar('\n');
    return true;
}
