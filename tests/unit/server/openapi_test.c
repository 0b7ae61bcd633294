/* The description of the API against the table of routes: neither has what the other lacks. */
#include "fixture.h"

#include "server/openapi.h"
#include "server/router.h"

static cJSON *description(void)
{
    struct cf_text text = cf_openapi_text();
    cJSON *json = cJSON_ParseWithLength(text.data, text.len);
    assert_non_null(json);
    return json;
}

/* "/api/runs/:id" as a description has it: "/api/runs/{id}". */
static void as_template(const char *pattern, char out[128])
{
    size_t len = 0;
    bool is_open = false;
    for (; *pattern != '\0'; pattern++) {
        if (*pattern == '/' && is_open) {
            out[len++] = '}';
            is_open = false;
        }
        is_open |= *pattern == ':';
        out[len++] = *pattern == ':' ? '{' : *pattern;
    }
    if (is_open)
        out[len++] = '}';
    out[len] = '\0';
}

/* "get" of "GET". */
static void as_field(const char *method, char out[16])
{
    size_t len = 0;
    for (; method[len] != '\0'; len++)
        out[len] = (char)(method[len] | 0x20);
    out[len] = '\0';
}

static const struct cf_http_route *find_route(const char *path, const char *field)
{
    char template[128], name[16];
    for (const struct cf_http_route *route = cf_http_routes; route->method != NULL; route++) {
        as_template(route->pattern, template);
        as_field(route->method, name);
        if (strcmp(template, path) == 0 && strcmp(name, field) == 0)
            return route;
    }
    return NULL;
}

static void every_route_is_described(void **state)
{
    cJSON *json = description();
    cJSON *paths = cJSON_GetObjectItemCaseSensitive(json, "paths");
    (void)state;
    for (const struct cf_http_route *route = cf_http_routes; route->method != NULL; route++) {
        char path[128], field[16];
        as_template(route->pattern, path);
        as_field(route->method, field);
        cJSON *operation = cJSON_GetObjectItemCaseSensitive(
            cJSON_GetObjectItemCaseSensitive(paths, path), field);
        if (operation == NULL)
            fail_msg("%s %s is not in src/server/openapi/", route->method, path);
        cJSON *security = cJSON_GetObjectItemCaseSensitive(operation, "security");
        if (route->is_open != (security != NULL && cJSON_GetArraySize(security) == 0))
            fail_msg("%s %s: whether it needs the token", route->method, path);
        cJSON *body = cJSON_GetObjectItemCaseSensitive(operation, "requestBody");
        if ((route->body_max > 0) != (body != NULL))
            fail_msg("%s %s: whether it takes a body", route->method, path);
    }
    cJSON_Delete(json);
}

static void every_description_has_a_route(void **state)
{
    static const char *const methods[] = { "get", "put",  "post",  "delete",
                                           "head", "patch", "trace", "options" };
    cJSON *json = description(), *path;
    (void)state;
    cJSON_ArrayForEach(path, cJSON_GetObjectItemCaseSensitive(json, "paths")) {
        for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
            if (cJSON_HasObjectItem(path, methods[i]) && find_route(path->string, methods[i]) == NULL)
                fail_msg("no route answers %s %s", methods[i], path->string);
    }
    cJSON_Delete(json);
}

static void the_version_is_ours(void **state)
{
    cJSON *json = description();
    cJSON *info = cJSON_GetObjectItemCaseSensitive(json, "info");
    (void)state;
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(info, "version")),
                        CONFAB_VERSION);
    cJSON_Delete(json);
}

static void who_has_it_gets_no_second_copy(void **state)
{
    struct fixture f = { 0 };
    struct cf_text text = cf_openapi_text();
    char header[64] = "If-None-Match: ";
    (void)state;
    fixture_open_store(&f);
    fixture_start(&f, (struct cf_server_options){ .token = "correct horse battery" });
    struct answer answer = fixture_ask(&f, "GET", "/api/openapi.json", NULL, NULL);
    assert_int_equal(answer.status, 200);    /* without the token */
    assert_int_equal(strlen(answer.body), text.len);
    assert_memory_equal(answer.body, text.data, text.len);
    const char *etag = strstr(answer.head, "\r\nETag: ");
    assert_non_null(etag);
    strncat(header, etag + 8, strcspn(etag + 8, "\r"));
    strcat(header, "\r\n");
    answer_done(&answer);

    answer = fixture_ask(&f, "GET", "/api/openapi.json", header, NULL);
    assert_int_equal(answer.status, 304);
    assert_string_equal(answer.body, "");
    answer_done(&answer);
    answer = fixture_ask(&f, "GET", "/api/openapi.json", "If-None-Match: \"0123456789abcdef\"\r\n",
                         NULL);
    assert_int_equal(answer.status, 200);
    answer_done(&answer);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_is_described),
        cmocka_unit_test(every_description_has_a_route),
        cmocka_unit_test(the_version_is_ours),
        cmocka_unit_test(who_has_it_gets_no_second_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
