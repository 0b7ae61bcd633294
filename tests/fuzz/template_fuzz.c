/* Compiles any text as a template, with itself as a partial, and renders it. */
#include "confab/template.h"

#include "confab/buf.h"
#include "confab/error.h"

#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static const char json[] = "{\"a\":{\"b\":\"{{a}}\",\"c\":[1,2.5,[true,false,null]]},"
                               "\"d\":\"\"}";
    const struct cf_template_partial partial = { "p", (const char *)bytes, len };
    struct cf_template_options options = { .partials = &partial, .partial_count = 1 };
    struct cf_template_cjson scratch;
    struct cf_template_data data;
    struct cf_error err;
    cJSON *tree = cJSON_Parse(json);

    cf_template_data_cjson(&scratch, tree, &data);
    for (int way = 0; way < 4; way++) {
        struct cf_template *tmpl;
        struct cf_buf out;

        options.strict = way & 1;
        options.escape_html = way & 2;
        if (!cf_template_compile("fuzz", (const char *)bytes, len, &options, &tmpl, &err))
            continue;
        cf_buf_init(&out, 1 << 16);
        cf_template_render(tmpl, &data, &out, &err);
        cf_buf_done(&out);
        cf_template_free(tmpl);
    }
    cJSON_Delete(tree);
    return 0;
}
