#include "server/batch_body.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "confab/buf.h"
#include "confab/error.h"

#define WRITE_BYTES (64u << 10)
#define KEY_MAX     64           /* of a name in the envelope; none that counts is longer */

static const char requests_key[] = "requests";

struct cf_batch_body {
    int fd;
    size_t depth;                /* brackets that are open */
    size_t list_depth;           /* of the list of requests, while it is open; 0: it is not */
    bool is_in_string, is_escaped;
    bool is_key, is_list_next;   /* a name is read; the value of "requests" comes next */
    bool has_list;               /* there was one */
    size_t count;                /* requests in the file */
    char key[KEY_MAX];           /* the last name of the envelope, as it was written */
    size_t key_len;
    struct cf_buf request, envelope, out;
};

bool cf_batch_body_open(const char *folder, struct cf_batch_body **out_body, struct cf_error *err)
{
    struct cf_buf path = { .max = 4096 };
    cf_buf_addf(&path, "%s/confab-batch-XXXXXX", folder);
    int fd = cf_buf_ok(&path) ? mkstemp(path.data) : -1;
    if (fd >= 0)
        unlink(path.data);       /* whatever happens, it goes with its last reader */
    cf_buf_done(&path);
    if (fd < 0)
        return cf_fail(err, CF_ERR_STORAGE, "no file for the requests: %s", strerror(errno));

    struct cf_batch_body *body = cf_calloc(1, sizeof *body);
    body->fd = fd;
    cf_buf_init(&body->request, CF_BATCH_REQUEST_MAX);
    cf_buf_init(&body->envelope, CF_BATCH_ENVELOPE_MAX);
    cf_buf_init(&body->out, WRITE_BYTES + CF_BATCH_REQUEST_MAX + 1);
    *out_body = body;
    return true;
}

void cf_batch_body_free(struct cf_batch_body *body)
{
    if (body == NULL)
        return;
    close(body->fd);
    cf_buf_done(&body->request);
    cf_buf_done(&body->envelope);
    cf_buf_done(&body->out);
    free(body);
}

static bool flush(struct cf_batch_body *body, struct cf_error *err)
{
    size_t written = 0;
    while (written < body->out.len) {
        ssize_t n = write(body->fd, body->out.data + written, body->out.len - written);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return cf_fail(err, CF_ERR_STORAGE, "the requests cannot be kept: %s",
                           strerror(errno));
        written += (size_t)n;
    }
    cf_buf_clear(&body->out);
    return true;
}

static bool is_blank(const struct cf_buf *text)
{
    return strspn(cf_buf_str(text), " ") == text->len;
}

/* The list has come to a comma, or to its end. */
static bool end_request(struct cf_batch_body *body, bool is_last, struct cf_error *err)
{
    if (!cf_buf_ok(&body->request))
        return cf_fail(err, CF_ERR_VALIDATION, "requests[%zu] is over %u bytes", body->count,
                       CF_BATCH_REQUEST_MAX);
    if (is_last && body->count == 0 && is_blank(&body->request))
        return true;
    if (!cf_json_check(cf_buf_str(&body->request), body->request.len, NULL, err)) {
        char where[48];
        snprintf(where, sizeof where, "requests[%zu]: ", body->count);
        return cf_fail_prefix(err, "%s", where);
    }
    cf_buf_add(&body->out, body->request.data, body->request.len);
    cf_buf_addc(&body->out, '\n');
    cf_buf_clear(&body->request);
    body->count++;
    return body->out.len < WRITE_BYTES || flush(body, err);
}

/* A byte of a request. Between its tokens a line break is a blank. */
static void add_to_request(struct cf_batch_body *body, char byte)
{
    bool is_break = !body->is_in_string && (byte == '\n' || byte == '\r' || byte == '\t');
    cf_buf_addc(&body->request, is_break ? ' ' : byte);
}

static bool begin_list(struct cf_batch_body *body, struct cf_error *err)
{
    if (body->has_list)
        return cf_fail(err, CF_ERR_PARSE, "\"requests\" is given twice");
    body->has_list = true;
    body->list_depth = body->depth;
    return true;
}

/* A byte in a string; of a name of the envelope it is remembered. */
static void pass_string(struct cf_batch_body *body, char byte)
{
    bool ends = byte == '"' && !body->is_escaped;
    body->is_escaped = byte == '\\' && !body->is_escaped;
    if (ends)
        body->is_in_string = false;
    else if (body->is_key && body->key_len < KEY_MAX)
        body->key[body->key_len++] = byte;
}

/* What a sign outside of strings means to where we are. */
static bool pass_sign(struct cf_batch_body *body, char byte, struct cf_error *err)
{
    bool is_top = body->depth == 1;
    switch (byte) {
    case '"':
        body->is_in_string = true;
        if (is_top && body->is_key)
            body->key_len = 0;
        return true;
    case ':':
        if (is_top) {
            body->is_list_next = body->key_len == sizeof requests_key - 1 &&
                                 memcmp(body->key, requests_key, body->key_len) == 0;
            body->is_key = false;
        }
        return true;
    case ',':
        body->is_key = body->is_key || is_top;
        return true;
    case '{':
    case '[':
        body->depth++;
        body->is_key = body->depth == 1 && byte == '{';
        if (byte == '[' && is_top && body->is_list_next && !begin_list(body, err))
            return false;
        body->is_list_next = false;
        return true;
    case '}':
    case ']':
        body->depth -= body->depth > 0;
        return true;
    default: return true;
    }
}

static bool is_blank_byte(char byte)
{
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

static bool push(struct cf_batch_body *body, char byte, struct cf_error *err)
{
    bool is_in_list = body->list_depth > 0;
    bool is_between = is_in_list && !body->is_in_string && body->depth == body->list_depth;
    if (is_between && (byte == ',' || byte == ']')) {
        if (!end_request(body, byte == ']', err))
            return false;
        if (byte == ',')
            return true;
        body->list_depth = 0;
        is_in_list = false;
    }
    if (is_in_list)
        add_to_request(body, byte);
    else
        cf_buf_addc(&body->envelope, byte);

    if (body->is_in_string)
        pass_string(body, byte);
    else if (!is_blank_byte(byte))
        return pass_sign(body, byte, err);
    return true;
}

bool cf_batch_body_push(struct cf_batch_body *body, const char *bytes, size_t len,
                        struct cf_error *err)
{
    for (size_t i = 0; i < len; i++)
        if (!push(body, bytes[i], err))
            return false;
    if (!cf_buf_ok(&body->request))
        return end_request(body, false, err);
    return cf_buf_ok(&body->envelope) ||
           cf_fail(err, CF_ERR_VALIDATION, "what is around the requests is over %u bytes",
                   CF_BATCH_ENVELOPE_MAX);
}

bool cf_batch_body_end(struct cf_batch_body *body, struct cf_error *err)
{
    return cf_json_check(cf_buf_str(&body->envelope), body->envelope.len, NULL, err) &&
           flush(body, err);
}

struct cf_text cf_batch_body_envelope(const struct cf_batch_body *body)
{
    return (struct cf_text){ cf_buf_str(&body->envelope), body->envelope.len };
}

int cf_batch_body_file(const struct cf_batch_body *body)
{
    return body != NULL ? body->fd : -1;
}
