#include "server/health.h"

#include "base/object.h"
#include "confab/buf.h"
#include "confab/error.h"
#include "server/readers.h"
#include "server/respond.h"
#include "server/server.h"
#include "store/reader.h"

static void respond_status(struct cf_http_exchange *exchange, int status, const char *word,
                           const char *message)
{
    struct cf_buf json;
    cf_buf_init(&json, 4096);
    cf_object_open(&json, NULL);
    cf_object_str(&json, "status", word);
    if (message != NULL)
        cf_object_str(&json, "message", message);
    cf_object_str(&json, "version", CONFAB_VERSION);
    cf_object_close(&json);
    cf_respond_json(exchange, status, &json);
    cf_buf_done(&json);
}

void cf_health_alive(struct cf_http_exchange *exchange, struct cf_server *server)
{
    (void)server;
    respond_status(exchange, 200, "ok", NULL);
}

void cf_health_ready(struct cf_http_exchange *exchange, struct cf_server *server)
{
    struct cf_reader *reader;
    struct cf_error err;
    if (cf_server_is_draining(server)) {
        respond_status(exchange, 503, "draining", "the server is about to stop");
        return;
    }
    if (!cf_readers_take(cf_server_readers(server), &reader, &err)) {
        respond_status(exchange, 503, "unavailable", err.message);
        return;
    }
    bool is_read = cf_reader_data_version(reader) >= 0;
    cf_readers_give(cf_server_readers(server), reader);
    if (is_read)
        respond_status(exchange, 200, "ready", NULL);
    else
        respond_status(exchange, 503, "unavailable", "the database cannot be read");
}
