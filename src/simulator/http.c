#include "simulator/http.h"

#include <string.h>
#include <strings.h>

#include "confab/buf.h"

static int refuse(struct cf_sim_http *self, int status)
{
    self->status = status;
    self->keep_alive = false;
    return -1;
}

static bool is_name(const char *line, size_t len, const char *name, const char **out_value,
                    size_t *out_len)
{
    size_t name_len = strlen(name);
    if (len <= name_len || line[name_len] != ':' || strncasecmp(line, name, name_len) != 0)
        return false;
    const char *value = line + name_len + 1, *end = line + len;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *out_value = value;
    *out_len = (size_t)(end - value);
    return true;
}

static void copy(char *out, size_t size, const char *text, size_t len)
{
    if (len >= size)
        len = size - 1;
    memcpy(out, text, len);
    out[len] = '\0';
}

static bool has_token(const char *value, size_t len, const char *token)
{
    size_t token_len = strlen(token);
    for (size_t i = 0; i + token_len <= len; i++)
        if (strncasecmp(value + i, token, token_len) == 0)
            return true;
    return false;
}

/* Reads one header line; 0, or the status of a refusal. */
static int read_header(struct cf_sim_http *self, const char *line, size_t len, bool *has_length)
{
    const char *value;
    size_t value_len;

    if (is_name(line, len, "content-length", &value, &value_len)) {
        size_t length = 0;
        if (value_len == 0 || value_len > 12 || *has_length)
            return value_len > 12 ? 413 : 400;
        for (size_t i = 0; i < value_len; i++) {
            if (value[i] < '0' || value[i] > '9')
                return 400;
            length = length * 10 + (size_t)(value[i] - '0');
        }
        if (length > CF_SIM_BODY_MAX)
            return 413;
        *has_length = true;
        self->missing = length;
    } else if (is_name(line, len, "transfer-encoding", &value, &value_len)) {
        if (!has_token(value, value_len, "chunked"))
            return 400;
        self->state = CF_SIM_HTTP_CHUNK;
    } else if (is_name(line, len, "connection", &value, &value_len)) {
        if (has_token(value, value_len, "close"))
            self->keep_alive = false;
        else if (has_token(value, value_len, "keep-alive"))
            self->keep_alive = true;
    } else if (is_name(line, len, "expect", &value, &value_len)) {
        self->wants_continue = has_token(value, value_len, "100-continue");
    } else if (is_name(line, len, "x-api-key", &value, &value_len)) {
        copy(self->key, sizeof self->key, value, value_len);
    } else if (is_name(line, len, "authorization", &value, &value_len)) {
        self->has_bearer = value_len > 7 && strncasecmp(value, "bearer ", 7) == 0;
        if (self->has_bearer && self->key[0] == '\0')
            copy(self->key, sizeof self->key, value + 7, value_len - 7);
        else if (self->has_bearer)
            self->key[0] = '\0';           /* two credentials: neither counts */
    } else if (is_name(line, len, "anthropic-version", &value, &value_len)) {
        self->has_version = value_len > 0;
    }
    return 0;
}

static bool read_request_line(struct cf_sim_http *self, const char *line, size_t len)
{
    const char *end = line + len;
    const char *path = memchr(line, ' ', len);
    if (path == NULL || path == line)
        return false;
    const char *version = memchr(path + 1, ' ', (size_t)(end - path - 1));
    if (version == NULL || path[1] != '/' || end - version != 9
        || memcmp(version, " HTTP/1.", 8) != 0)
        return false;
    self->keep_alive = version[8] == '1';
    copy(self->method, sizeof self->method, line, (size_t)(path - line));

    size_t path_len = (size_t)(version - path - 1);
    const char *query = memchr(path + 1, '?', path_len);
    copy(self->path, sizeof self->path, path + 1,
         query == NULL ? path_len : (size_t)(query - path - 1));
    return true;
}

/* The line at `at`, without its end; NULL if it has not arrived whole. */
static const char *take_line(struct cf_sim_http *self, const struct cf_buf *in, size_t *out_len)
{
    const char *line = in->data + self->at;
    const char *end = memchr(line, '\n', in->len - self->at);
    if (end == NULL)
        return NULL;
    self->at += (size_t)(end - line) + 1;
    *out_len = (size_t)(end - line);
    if (*out_len > 0 && line[*out_len - 1] == '\r')
        --*out_len;
    return line;
}

static int read_head(struct cf_sim_http *self, const struct cf_buf *in)
{
    bool has_length = false, is_first = true;
    const char *line;
    size_t len, start = self->at;

    /* Nothing is taken until all of it is there. */
    const char *end = memmem(in->data, in->len, "\r\n\r\n", 4);
    if (end == NULL || (size_t)(end - in->data) > CF_SIM_HEAD_MAX)
        return in->len > CF_SIM_HEAD_MAX || end != NULL ? refuse(self, 431) : 0;

    self->state = CF_SIM_HTTP_BODY;
    while ((line = take_line(self, in, &len)) != NULL && (len > 0 || is_first)) {
        if (len == 0) {                    /* empty lines before a request are skipped */
            if (self->at - start > 8)
                return refuse(self, 400);
            return self->state = CF_SIM_HTTP_HEAD, read_head(self, in);
        }
        if (is_first && !read_request_line(self, line, len))
            return refuse(self, 400);
        int status = is_first ? 0 : read_header(self, line, len, &has_length);
        if (status != 0)
            return refuse(self, status);
        is_first = false;
    }
    if (self->state == CF_SIM_HTTP_CHUNK && has_length)
        return refuse(self, 400);
    self->body_at = self->at;
    return 1;
}

static int read_chunk_size(struct cf_sim_http *self, const struct cf_buf *in)
{
    size_t len, size = 0, digits = 0;
    const char *line = take_line(self, in, &len);
    if (line == NULL)
        return in->len - self->at > 256 ? refuse(self, 400) : 0;

    for (; digits < len && digits < 9; digits++) {
        char digit = line[digits];
        if (digit >= '0' && digit <= '9')
            size = size * 16 + (size_t)(digit - '0');
        else if ((digit | 0x20) >= 'a' && (digit | 0x20) <= 'f')
            size = size * 16 + (size_t)((digit | 0x20) - 'a' + 10);
        else
            break;
    }
    if (digits == 0 || digits == 9)
        return refuse(self, 400);
    if (self->body_len + size > CF_SIM_BODY_MAX)
        return refuse(self, 413);
    self->missing = size;
    self->state = size > 0 ? CF_SIM_HTTP_CHUNK_DATA : CF_SIM_HTTP_TRAILER;
    return 1;
}

/* Takes what has come of a body or chunk; 1 once it is whole. */
static int read_data(struct cf_sim_http *self, const struct cf_buf *in)
{
    size_t there = in->len - self->at;
    if (there > self->missing)
        there = self->missing;
    if (self->at != self->body_at + self->body_len)      /* chunks are joined */
        memmove(in->data + self->body_at + self->body_len, in->data + self->at, there);
    self->at += there;
    self->body_len += there;
    self->missing -= there;
    return self->missing == 0;
}

void cf_sim_http_clear(struct cf_sim_http *self)
{
    *self = (struct cf_sim_http){ .state = CF_SIM_HTTP_HEAD };
}

int cf_sim_http_read(struct cf_sim_http *self, struct cf_buf *in)
{
    int result = 1;
    size_t len;
    const char *line;

    while (result == 1) {
        if (in->data == NULL)
            return 0;
        switch (self->state) {
        case CF_SIM_HTTP_HEAD:
            result = read_head(self, in);
            break;
        case CF_SIM_HTTP_BODY:
            return read_data(self, in);
        case CF_SIM_HTTP_CHUNK:
            result = read_chunk_size(self, in);
            break;
        case CF_SIM_HTTP_CHUNK_DATA:
            result = read_data(self, in);
            if (result == 1)
                self->state = CF_SIM_HTTP_CHUNK_END;
            break;
        case CF_SIM_HTTP_CHUNK_END:
            line = take_line(self, in, &len);
            if (line != NULL && len > 0)
                return refuse(self, 400);
            result = line != NULL;
            self->state = line != NULL ? CF_SIM_HTTP_CHUNK : CF_SIM_HTTP_CHUNK_END;
            break;
        case CF_SIM_HTTP_TRAILER:
            line = take_line(self, in, &len);
            if (line == NULL)
                return in->len - self->at > CF_SIM_HEAD_MAX ? refuse(self, 431) : 0;
            if (len == 0)
                return 1;
            break;
        }
    }
    return result;
}
