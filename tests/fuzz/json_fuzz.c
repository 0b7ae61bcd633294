/* Check, reader and tree must agree, and what is written must read back the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/json.h"
#include "confab/buf.h"
#include "confab/error.h"

static void require(bool truth)
{
    if (!truth)
        abort();
}

static bool read_all(const char *text, size_t len, struct cf_json_repairs *repairs)
{
    struct cf_json_token token;
    int got;
    struct cf_json_reader *reader = cf_json_open(text, len, repairs);

    while ((got = cf_json_next(reader, &token, NULL)) > 0) {
        require(token.offset < len);
        if (token.type == CF_JSON_STRING || token.type == CF_JSON_KEY)
            require(cf_utf8_valid_prefix(token.text, token.len) == token.len &&
                    token.text[token.len] == '\0' && strlen(token.text) == token.len);
    }
    require(cf_json_offset(reader) <= len);
    cf_json_free(reader);
    return got == 0;
}

static void check_canonical(const cJSON *tree, size_t len)
{
    struct cf_buf first, second;
    struct cf_error err;
    cJSON *again = NULL;

    cf_buf_init(&first, 30 * len + 100);
    cf_buf_init(&second, 30 * len + 100);
    cf_json_add_canonical(&first, tree);
    require(cf_buf_ok(&first));
    require(cf_json_parse(first.data, first.len, NULL, &again, &err));
    cf_json_add_canonical(&second, again);
    require(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
    cJSON_Delete(again);
    cf_buf_done(&first);
    cf_buf_done(&second);
}

static void check_string(const char *text, size_t len)
{
    struct cf_buf buf;
    struct cf_error err;
    cJSON *tree = NULL;
    struct cf_json_repairs repairs = { 0 };

    cf_buf_init(&buf, 6 * len + 2);
    cf_json_add_string(&buf, text, len);
    require(cf_buf_ok(&buf) && cf_json_parse(buf.data, buf.len, &repairs, &tree, &err));
    if (cf_utf8_valid_prefix(text, len) == len && memchr(text, '\0', len) == NULL)
        require(strlen(tree->valuestring) == len && memcmp(tree->valuestring, text, len) == 0);
    cJSON_Delete(tree);
    cf_buf_done(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct cf_json_repairs repairs = { 0 }, same = { 0 };
    struct cf_error err = { 0 };
    cJSON *tree = NULL;

    bool strict = cf_json_check(text, size, NULL, &err);
    require(strict == (err.kind == CF_OK));
    require(read_all(text, size, NULL) == strict);
    bool repaired = cf_json_check(text, size, &repairs, &err);
    require(read_all(text, size, &same) == repaired);
    require(repairs.nul_dropped == same.nul_dropped &&
            repairs.surrogates_replaced == same.surrogates_replaced);
    require(!repaired || strict == (repairs.nul_dropped + repairs.surrogates_replaced == 0));

    if (cf_json_parse(text, size, &repairs, &tree, &err)) {
        require(repaired);
        check_canonical(tree, size);
        cJSON_Delete(tree);
    }
    if (size > 0)
        check_string(text, size);
    return 0;
}
