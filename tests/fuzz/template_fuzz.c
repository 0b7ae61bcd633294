/* Compiles any text as a template, with itself as a partial, and renders it. Its functions give the
 * body of their section, or for a variable a text with tags. */
#include "confab/template.h"

#include "confab/buf.h"
#include "confab/error.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cjson/cJSON.h>

#define OUT_MAX   (1 << 16)
#define CALLS_MAX 1000    /* of one rendering: functions within functions double their work */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

struct source {
    struct cf_template_cjson scratch;    /* first: the functions of cJSON data get it as self */
    struct cf_template_data json;
    unsigned calls;
};

static enum cf_value_kind kind(void *self, struct cf_value value)
{
    struct source *source = self;
    const char *text = cJSON_GetStringValue(value.pointer);

    return text != NULL && strcmp(text, "fn") == 0 ? CF_VALUE_FUNCTION
                                                   : source->json.kind(self, value);
}

static bool call_function(void *self, struct cf_value function, struct cf_template_call *call,
                          struct cf_error *err)
{
    static const char text[] = "{{d}}{{#a}}{{b}}{{/a}}\n{{>p}}{{$a}}x{{/a}}";
    struct source *source = self;
    struct cf_template_piece *piece = NULL;
    bool is_section = cf_template_call_is_section(call);
    struct cf_buf body;
    struct cf_buf out;

    (void)function;
    if (source->calls++ == CALLS_MAX)
        return cf_template_call_fail(call, err, "was called too often");
    cf_buf_init(&body, OUT_MAX);
    cf_buf_init(&out, OUT_MAX);
    if (is_section)
        cf_template_call_body(call, &body);
    else
        cf_buf_adds(&body, text);
    bool ok = cf_template_call_compile(call, cf_buf_str(&body), body.len, &piece, err)
           && cf_template_call_render(call, piece, is_section ? NULL : &out, err);
    if (ok && !is_section)
        cf_template_call_add(call, cf_buf_str(&out), out.len);
    cf_buf_done(&body);
    cf_template_piece_free(piece);
    cf_buf_done(&out);
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static const char json[] = "{\"a\":{\"b\":\"{{a}}\",\"c\":[1,2.5,[true,false,null]]},"
                               "\"d\":\"\",\"f\":\"fn\",\"p\":\"p\"}";
    const struct cf_template_partial partials[] = {
        { "p", (const char *)bytes, len }, { "b", "x\n  {{$a}}\n  y\n  {{/a}}\n{{$b}}z{{/b}}", 35 },
    };
    struct cf_template_options options = { .partials = partials, .partial_count = 2 };
    struct source source;
    struct cf_template_data data;
    struct cf_error err;
    cJSON *tree = cJSON_Parse(json);

    cf_template_data_cjson(&source.scratch, tree, &source.json);
    data = source.json;
    data.self = &source;
    data.kind = kind;
    data.call = call_function;
    for (int way = 0; way < 4; way++) {
        struct cf_template *tmpl;
        struct cf_buf out;

        options.strict = way & 1;
        options.escape_html = way & 2;
        if (!cf_template_compile("fuzz", (const char *)bytes, len, &options, &tmpl, &err))
            continue;
        source.calls = 0;
        cf_buf_init(&out, OUT_MAX);
        cf_template_render(tmpl, &data, &out, &err);
        cf_buf_done(&out);
        cf_template_free(tmpl);
    }
    cJSON_Delete(tree);
    return 0;
}
