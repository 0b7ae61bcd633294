#include "server/access.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <cjson/cJSON.h>
#include <openssl/crypto.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "server/problems.h"
#include "server/respond.h"
#include "server/server.h"

#define COOKIE "confab_session"
#define SESSION_BYTES 32

struct cf_access {
    bool has_token, is_tls;
    uint8_t token[CF_SHA256_SIZE];            /* hashed: the token itself is not kept */
    uint8_t session[CF_SHA256_SIZE];
    char cookie[2 * SESSION_BYTES + 1];       /* the value that the hash is of */
};

struct cf_access *cf_access_new(const char *token, bool is_tls)
{
    struct cf_access *access = cf_calloc(1, sizeof *access);
    uint8_t random[SESSION_BYTES];
    access->is_tls = is_tls;
    access->has_token = token != NULL;
    if (token == NULL)
        return access;
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        abort();                              /* cannot happen for so few bytes */
    cf_hex(random, sizeof random, access->cookie);
    cf_sha256(token, strlen(token), access->token);
    cf_sha256(access->cookie, strlen(access->cookie), access->session);
    cf_secret_add(token);
    return access;
}

void cf_access_free(struct cf_access *access)
{
    if (access == NULL)
        return;
    OPENSSL_cleanse(access, sizeof *access);
    free(access);
}

/* Hashes of equal length are compared whole: the time tells nothing of what was right. */
static bool is_secret(const char *guess, size_t len, const uint8_t expected[CF_SHA256_SIZE])
{
    uint8_t hash[CF_SHA256_SIZE];
    cf_sha256(guess, len, hash);
    return CRYPTO_memcmp(hash, expected, sizeof hash) == 0;
}

/* The value of our cookie in "a=1; confab_session=…; b=2". */
static struct cf_text find_cookie(const char *cookies)
{
    static const char name[] = COOKIE "=";
    for (const char *at = cookies; at != NULL && *at != '\0';) {
        at += strspn(at, " ;");
        size_t len = strcspn(at, ";");
        if (len >= sizeof name - 1 && strncmp(at, name, sizeof name - 1) == 0)
            return (struct cf_text){ at + sizeof name - 1, len - (sizeof name - 1) };
        at += len;
    }
    return (struct cf_text){ NULL, 0 };
}

bool cf_access_is_allowed(const struct cf_access *access, const struct cf_http_exchange *exchange)
{
    static const char scheme[] = "Bearer ";
    if (!access->has_token)
        return true;

    const char *header = cf_request_header(exchange, "Authorization");
    if (header != NULL && strncasecmp(header, scheme, sizeof scheme - 1) == 0) {
        const char *guess = header + sizeof scheme - 1;
        guess += strspn(guess, " ");
        return is_secret(guess, strlen(guess), access->token);
    }
    struct cf_text cookie = find_cookie(cf_request_header(exchange, "Cookie"));
    return cookie.data != NULL && is_secret(cookie.data, cookie.len, access->session);
}

static void set_cookie(struct cf_http_exchange *exchange, const struct cf_access *access,
                       const char *value, const char *more)
{
    cf_respond_header(exchange, "Set-Cookie", COOKIE "=%s; Path=/; HttpOnly; SameSite=Strict%s%s",
                      value, access->is_tls ? "; Secure" : "", more);
}

/* The token of the body, lent; NULL: problems say why. */
static const char *read_token(const cJSON *body, struct cf_problems *problems)
{
    const cJSON *field, *token = cJSON_GetObjectItemCaseSensitive(body, "token");
    if (!cJSON_IsObject(body)) {
        cf_problems_add(problems, "", "must be an object with token");
        return NULL;
    }
    if (token == NULL)
        cf_problems_add(problems, "token", "is missing");
    else if (!cJSON_IsString(token) || *token->valuestring == '\0')
        cf_problems_add(problems, "token", "must be a text that is not empty");
    cJSON_ArrayForEach(field, body) {
        if (strcmp(field->string, "token") != 0)
            cf_problems_add(problems, field->string, "there is no such field; there is token");
    }
    return problems->count == 0 ? token->valuestring : NULL;
}

void cf_access_log_in(struct cf_http_exchange *exchange, struct cf_server *server)
{
    const struct cf_access *access = cf_server_access(server);
    struct cf_problems problems;
    cf_problems_init(&problems);
    const char *guess = read_token(exchange->json, &problems);
    bool is_right =
        guess != NULL && (!access->has_token || is_secret(guess, strlen(guess), access->token));
    if (guess == NULL)
        cf_respond_problems(exchange, &problems);
    else if (!is_right)
        cf_respond_fail(exchange, 401, "this is not the token");
    cf_problems_done(&problems);
    if (!is_right)
        return;
    if (access->has_token)
        set_cookie(exchange, access, access->cookie, "");
    cf_respond_empty(exchange, 204);
}

void cf_access_log_out(struct cf_http_exchange *exchange, struct cf_server *server)
{
    set_cookie(exchange, cf_server_access(server), "", "; Max-Age=0");
    cf_respond_empty(exchange, 204);
}
