#include "cli/serve.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "cli/env.h"
#include "cli/script.h"
#include "confab/error.h"
#include "server/lua_server.h"
#include "server/server.h"

#define PORT       8080
#define MAX_BATCH  10000
#define BATCH_MOST 100000 /* a batch is read and checked in one piece */
#define TOKEN_MIN  8

static const struct cf_option options[] = {
    { "port", 'p', "N", false, "where to listen (default: 8080; 0: any port that is free)" },
    { "address", 0, "A", false,
      "the IPv4 address to listen on (default: 127.0.0.1); any other needs a token" },
    { "token", 0, "T", false,
      "ask for this token (default: CONFAB_SERVE_TOKEN, which other users of the machine do not "
      "see)" },
    { "cert", 0, "FILE", false, "speak TLS with this certificate (PEM)" },
    { "key", 0, "FILE", false, "its key (default: in the certificate's file)" },
    { "host", 0, "NAMES", false,
      "names by which clients call the server, separated by commas, beside loopback's" },
    { "max-batch", 0, "N", false, "most conversations of one batch (default: 10000)" },
    { NULL, 0, NULL, false, NULL },
};

/* What prepare needs, which gets the Lua state only: a process serves once. */
static struct cf_server_options server_options;

static void prepare(struct lua_State *L)
{
    cf_lua_server_open(L, &server_options);
}

/* Cuts "a,b" in place into a list that NULL ends. Owned; its names are lent by `names`. */
static const char **split_hosts(char *names)
{
    const char **hosts = cf_calloc(strlen(names) + 2, sizeof *hosts);
    size_t count = 0;
    char *rest = names;
    for (char *name; (name = strsep(&rest, ",")) != NULL;)
        if (*name != '\0')
            hosts[count++] = name;
    return hosts;
}

static bool read_token(const struct cf_args *args, const struct cf_env *env, const char **out_token,
                       struct cf_error *err)
{
    const char *token = cf_args_get(args, "token");
    if (token == NULL)
        token = cf_env_get(env, "CONFAB_SERVE_TOKEN");
    if (token != NULL && strlen(token) < TOKEN_MIN)
        return cf_fail(err, CF_ERR_CONFIG, "serve: the token must be at least %d characters long",
                       TOKEN_MIN);
    *out_token = token;
    if (token != NULL)
        cf_secret_add(token);
    return true;
}

/* The server library says only that it cannot listen. */
static bool check_file(const char *option, const char *path, struct cf_error *err)
{
    if (path == NULL || access(path, R_OK) == 0)
        return true;
    return cf_fail(err, CF_ERR_CONFIG, "serve: --%s %s: %s", option, path, strerror(errno));
}

static bool read_options(const struct cf_args *args, const struct cf_env *env,
                         int64_t *out_max_batch, struct cf_error *err)
{
    int64_t port = PORT;
    *out_max_batch = MAX_BATCH;
    if (!cf_args_int(args, "port", 0, 65535, &port, err) ||
        !cf_args_int(args, "max-batch", 1, BATCH_MOST, out_max_batch, err) ||
        !read_token(args, env, &server_options.token, err))
        return false;
    server_options.port = (int)port;
    server_options.address = cf_args_get(args, "address");
    server_options.tls_cert = cf_args_get(args, "cert");
    server_options.tls_key = cf_args_get(args, "key");
    if (server_options.tls_key != NULL && server_options.tls_cert == NULL)
        return cf_fail(err, CF_ERR_CONFIG, "serve: --key needs --cert");
    return check_file("cert", server_options.tls_cert, err) &&
           check_file("key", server_options.tls_key, err);
}

/* The loop is Lua's: lua/confab/serve.lua. */
static int serve(const struct cf_args *args, struct cf_error *err)
{
    struct cf_script script;
    struct cf_script_flags flags;
    struct cf_env env;
    char *names = cf_strdup(cf_args_has(args, "host") ? cf_args_get(args, "host") : "");
    const char **hosts = split_hosts(names);
    const char **words = cf_calloc(args->positional_count + 1, sizeof *words);
    char max_batch_text[24];
    int64_t max_batch;
    int status = -1;

    cf_script_init(&script, "serve");
    cf_env_load(&env, ".env");
    server_options = (struct cf_server_options){ .hosts = hosts };
    if (!cf_script_flags_read(args, &flags, err) || !read_options(args, &env, &max_batch, err))
        goto done;

    snprintf(max_batch_text, sizeof max_batch_text, "%" PRId64, max_batch);
    words[0] = max_batch_text;
    for (size_t i = 0; i < args->positional_count; i++)
        words[i + 1] = args->positionals[i];
    script.args = words;
    script.arg_count = args->positional_count + 1;
    script.prepare = prepare;
    script.is_server = true;
    cf_buf_adds(&script.text, "return require('confab.serve').main(...)");
    status = cf_script_run(&script, &flags, args, err);
done:
    cf_script_done(&script);
    cf_env_done(&env);
    free(words);
    free(hosts);
    free(names);
    return status;
}

const struct cf_command cf_command_serve = {
    .name = "serve",
    .synopsis = "[SCRIPT.lua [ARGS...]]",
    .summary = "Offer a script's templates, scoring and runs over HTTP",
    .example = "confab serve support_chats.lua --simulate --port 0\n"
               "confab serve support_chats.lua --simulate --port 0 --token 'a long secret' "
               "--max-batch 500",
    .details = "The address is printed on one line; opened in a browser it shows runs as they go on, "
               "conversations\n"
               "to be reviewed, templates, comparisons and a playground.\n\n"
               "SCRIPT.lua is run first: its templates and its "
               "scoring are what\n"
               "requests are answered with, its confab.run only defines a run, which POST "
               "/api/runs starts. Without a\n"
               "script the templates of the database are offered. Each POST makes a run, in the "
               "same database and within\n"
               "the same limits and budget as those of scripts; one that a stop or a crash cut "
               "short goes on when the\n"
               "server is started again.\n\n"
               "SIGTERM or Ctrl-C: nothing new is taken, what is in flight is finished (--drain "
               "limits how long), all\n"
               "is saved, and the status is 0.",
    .options = options,
    .common = cf_script_options,
    .max_positionals = -1,
    .run = serve,
};
