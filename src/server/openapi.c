#include "server/openapi.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/hash.h"
#include "server/request.h"
#include "server/respond.h"

#define TAG_BYTES 8    /* of the hash, in the ETag */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct cf_text whole;                  /* owned, until the process ends */
static char etag[2 * CF_SHA256_SIZE + 3];     /* in its quotes */

static cJSON *parse(const char *name)
{
    const struct cf_openapi_part *part = cf_openapi_parts;
    while (strcmp(part->name, name) != 0)
        part++;
    cJSON *json = cJSON_ParseWithLength(part->text, part->size);
    assert(json != NULL);
    return json;
}

/* Moves the fields of an object into another one. */
static void move_fields(cJSON *from, cJSON *to)
{
    for (cJSON *field; (field = cJSON_DetachItemFromArray(from, 0)) != NULL;) {
        assert(!cJSON_HasObjectItem(to, field->string));
        cJSON_AddItemToObject(to, field->string, field);
    }
}

static cJSON *get_object(cJSON *parent, const char *name)
{
    cJSON *object = cJSON_GetObjectItemCaseSensitive(parent, name);
    return object != NULL ? object : cJSON_AddObjectToObject(parent, name);
}

static void add_part(cJSON *frame, const char *name)
{
    cJSON *part = parse(name), *group;
    cJSON *components = get_object(frame, "components");
    cJSON_ArrayForEach(group, part) {
        bool is_paths = strcmp(group->string, "paths") == 0;
        move_fields(group, get_object(is_paths ? frame : components, group->string));
    }
    cJSON_Delete(part);
}

static void put_together(void)
{
    uint8_t hash[CF_SHA256_SIZE];
    cJSON *frame = parse(CF_OPENAPI_FRAME);
    cJSON_AddStringToObject(get_object(frame, "info"), "version", CONFAB_VERSION);
    for (const struct cf_openapi_part *part = cf_openapi_parts; part->name != NULL; part++)
        if (strcmp(part->name, CF_OPENAPI_FRAME) != 0)
            add_part(frame, part->name);

    whole.data = cJSON_PrintUnformatted(frame);
    assert(whole.data != NULL);
    whole.len = strlen(whole.data);
    cJSON_Delete(frame);

    cf_sha256(whole.data, whole.len, hash);
    etag[0] = '"';
    cf_hex(hash, TAG_BYTES, etag + 1);
    strcat(etag, "\"");
}

struct cf_text cf_openapi_text(void)
{
    pthread_once(&once, put_together);
    return whole;
}

void cf_openapi_show(struct cf_http_exchange *exchange, struct cf_server *server)
{
    (void)server;
    struct cf_text text = cf_openapi_text();
    exchange->cache_control = "no-cache";
    cf_respond_header(exchange, "ETag", "%s", etag);
    if (cf_request_has(exchange, etag))
        cf_respond_empty(exchange, 304);
    else
        cf_respond(exchange, 200, CF_HTTP_JSON, text.data, text.len);
}
