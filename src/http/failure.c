#include "http/http.h"

static const char *const names[CF_HTTP_FAILURES] = {
    [CF_HTTP_OK] = "ok",
    [CF_HTTP_REFUSED] = "refused",
    [CF_HTTP_DNS] = "dns",
    [CF_HTTP_TLS] = "tls",
    [CF_HTTP_CONNECT_TIMEOUT] = "connect_timeout",
    [CF_HTTP_FIRST_BYTE_TIMEOUT] = "first_byte_timeout",
    [CF_HTTP_IDLE_TIMEOUT] = "idle_timeout",
    [CF_HTTP_TOTAL_TIMEOUT] = "total_timeout",
    [CF_HTTP_RESET] = "reset",
    [CF_HTTP_CUT] = "cut",
    [CF_HTTP_TOO_LARGE] = "too_large",
    [CF_HTTP_GARBAGE] = "garbage",
    [CF_HTTP_PROXY] = "proxy",
    [CF_HTTP_BAD_URL] = "bad_url",
    [CF_HTTP_CANCELLED] = "cancelled",
    [CF_HTTP_STOPPED] = "stopped",
    [CF_HTTP_OTHER] = "other",
};

const char *cf_http_failure_name(enum cf_http_failure failure)
{
    return (unsigned)failure < CF_HTTP_FAILURES ? names[failure] : "other";
}
