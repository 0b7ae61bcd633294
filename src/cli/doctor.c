#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <lauxlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/database.h"
#include "cli/env.h"
#include "base/object.h"
#include "cli/print.h"
#include "cli/probe.h"
#include "confab/buf.h"
#include "confab/error.h"
#include "engine/models.h"
#include "lua/models.h"
#include "lua/state.h"
#include "provider/anthropic.h"
#include "store/reader.h"

#define DEFAULT_MODEL "claude-sonnet-5-5" /* as lua/confab/settings.lua has it */
#define DISK_MIN_MB   100                 /* 10,000 items; below it a run may stop half-way */
#define FILES_MIN     256                 /* 128 connections, database, inputs */
#define CLOCK_MAX_MS  30000               /* further off, dates in the database mislead */
#define CHECKS_MAX    12

static const struct cf_option options[] = {
    { "model", 0, "NAME", false,
      "the model to ask about (default: ANTHROPIC_MODEL, else " DEFAULT_MODEL ")" },
    { "base-url", 0, "URL", false, "where the service is (default: ANTHROPIC_API_BASE_URL)" },
    { "json", 0, NULL, false, "print one JSON object" },
    { NULL, 0, NULL, false, NULL },
};

struct check {
    const char *name;
    bool is_ok;
    char message[512];
};

struct doctor {
    const struct cf_args *args;
    struct cf_env env;
    const char *key, *base_url, *model, *database;
    struct cf_probe probe;
    bool was_asked;
    int exit_status;
    struct check checks[CHECKS_MAX];
    size_t count;
};

/* Books one result. exit_status: what the program ends with if this is the worst. */
static void book(struct doctor *doctor, const char *name, bool is_ok, int exit_status,
                 const char *fmt, ...) __attribute__((format(printf, 5, 6)));

static void book(struct doctor *doctor, const char *name, bool is_ok, int exit_status,
                 const char *fmt, ...)
{
    struct check *check = &doctor->checks[doctor->count++];
    va_list args;
    check->name = name;
    check->is_ok = is_ok;
    va_start(args, fmt);
    vsnprintf(check->message, sizeof check->message, fmt, args);
    va_end(args);
    cf_redact(check->message);
    if (!is_ok && (doctor->exit_status == CF_EXIT_OK || exit_status < doctor->exit_status))
        doctor->exit_status = exit_status; /* what can be set right here comes first */
}

/* --- settings --- */

static void find_settings(struct doctor *doctor)
{
    const struct cf_env *env = &doctor->env;
    doctor->key = cf_env_get(env, "ANTHROPIC_API_KEY");
    doctor->base_url = cf_args_get(doctor->args, "base-url");
    if (doctor->base_url == NULL)
        doctor->base_url = cf_env_get(env, "ANTHROPIC_API_BASE_URL");
    if (doctor->base_url == NULL)
        doctor->base_url = cf_env_get(env, "ANTHROPIC_BASE_URL");
    if (doctor->base_url == NULL)
        doctor->base_url = CF_ANTHROPIC_BASE_URL;
    doctor->model = cf_args_get(doctor->args, "model");
    if (doctor->model == NULL)
        doctor->model = cf_env_get(env, "ANTHROPIC_MODEL");
    if (doctor->model == NULL)
        doctor->model = DEFAULT_MODEL;
    doctor->database = cf_database_path(doctor->args, env);
    cf_secret_add(doctor->key);
}

/* --- the service --- */

static void check_key(struct doctor *doctor)
{
    const char *key = doctor->key;
    if (key == NULL) {
        book(doctor, "key", false, CF_EXIT_USAGE,
             "AI service not configured: set ANTHROPIC_API_KEY in the environment or in a .env "
             "file here");
        return;
    }
    const char *place =
        cf_env_is_from_file(&doctor->env, "ANTHROPIC_API_KEY") ? ".env" : "the environment";
    for (const char *c = key; *c != '\0'; c++)
        if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f) {
            book(doctor, "key", false, CF_EXIT_USAGE,
                 "ANTHROPIC_API_KEY of %s has a space or a character that no key has; copy it anew",
                 place);
            return;
        }
    if (doctor->was_asked && (doctor->probe.status == 401 || doctor->probe.status == 403)) {
        book(doctor, "key", false, CF_EXIT_USAGE, "ANTHROPIC_API_KEY of %s is refused: %s", place,
             doctor->probe.message);
        return;
    }
    book(doctor, "key", true, 0, "ANTHROPIC_API_KEY of %s%s", place,
         doctor->was_asked && doctor->probe.status == 200 ? ", accepted" : "");
}

static void check_service(struct doctor *doctor)
{
    const struct cf_probe *probe = &doctor->probe;
    char took[CF_NUMBER_TEXT_MAX];
    if (!doctor->was_asked)
        book(doctor, "service", false, CF_EXIT_USAGE, "%s was not asked: there is no usable key",
             doctor->base_url);
    else if (probe->status == 0)
        book(doctor, "service", false, CF_EXIT_RESUMABLE, "%s cannot be reached: %s",
             doctor->base_url, probe->message);
    else if (probe->status == 200 || probe->status == 401 || probe->status == 403)
        book(doctor, "service", true, 0, "%s answers in %s", doctor->base_url,
             cf_format_duration(probe->latency_ms, took));
    else
        book(doctor, "service", false, probe->status == 404 ? CF_EXIT_USAGE : CF_EXIT_RESUMABLE,
             "%s answers %s%s", doctor->base_url, probe->message,
             probe->status == 404 ? "; is the URL right?" : "");
}

/* lua/confab/models.lua as the engine's table. */
static int load_models(lua_State *L)
{
    struct cf_models **out = lua_touserdata(L, 1);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "confab.models");
    lua_call(L, 1, 1);
    *out = cf_lua_read_models(L, -1);
    return 0;
}

static struct cf_models *read_models(void)
{
    struct cf_models *models = NULL;
    lua_State *L = cf_lua_new_state();
    if (L == NULL)
        return NULL;
    lua_pushcfunction(L, load_models);
    lua_pushlightuserdata(L, &models);
    lua_pcall(L, 1, 0, 0);
    cf_lua_free_state(L);
    return models;
}

static void check_model(struct doctor *doctor)
{
    struct cf_models *models = read_models();
    const struct cf_model *model = models != NULL ? cf_models_find(models, doctor->model) : NULL;
    bool is_own = cf_anthropic_is_own_url(doctor->base_url);
    if (model == NULL)
        book(doctor, "model", false, CF_EXIT_USAGE,
             "%s is not known, nor are its price and limits; is it misspelt?", doctor->model);
    else if (model->is_retired && is_own)
        book(doctor, "model", false, CF_EXIT_USAGE, "%s was retired by the provider%s%s",
             model->name, model->successor != NULL ? "; use " : "",
             model->successor != NULL ? model->successor : "");
    else if (is_own && doctor->probe.status == 200 &&
             !cf_probe_has_model(&doctor->probe, model->name))
        book(doctor, "model", false, CF_EXIT_USAGE,
             "%s is known, but the service does not offer it to this key", model->name);
    else
        book(doctor, "model", true, 0, "%s%s", model->name,
             cf_probe_has_model(&doctor->probe, model->name) ? ", offered by the service" : "");
    cf_models_free(models);
}

static void check_clock(struct doctor *doctor)
{
    const struct cf_probe *probe = &doctor->probe;
    if (!doctor->was_asked || !probe->has_time) {
        book(doctor, "clock", true, 0, "not compared: no reply with a date");
        return;
    }
    int64_t off = llabs(probe->clock_ahead_ms);
    const char *way = probe->clock_ahead_ms > 0 ? "ahead of" : "behind";
    char text[CF_NUMBER_TEXT_MAX];
    if (off > CLOCK_MAX_MS)
        book(doctor, "clock", false, CF_EXIT_USAGE, "%s %s the server's; set the system's clock",
             cf_format_duration(off, text), way);
    else
        book(doctor, "clock", true, 0,
             off > 2000 ? "%s %s the server's" : "agrees with the server's",
             cf_format_duration(off, text), way);
}

/* --- this machine --- */

static void check_database(struct doctor *doctor)
{
    struct cf_reader *reader;
    struct cf_error err;
    struct stat st;
    char found[CF_READER_CHECK_MAX], size[CF_NUMBER_TEXT_MAX];
    if (stat(doctor->database, &st) != 0 && errno == ENOENT) {
        book(doctor, "database", true, 0, "%s is not there yet; the first run makes it",
             doctor->database);
        return;
    }
    if (!cf_reader_open(doctor->database, CF_STORE_CMD_BUSY_MS, &reader, &err)) {
        book(doctor, "database", false,
             err.kind == CF_ERR_CONFIG ? CF_EXIT_USAGE : CF_EXIT_RESUMABLE, "%s", err.message);
        return;
    }
    if (!cf_reader_check(reader, found, &err))
        book(doctor, "database", false, CF_EXIT_RESUMABLE, "%s: %s", doctor->database, err.message);
    else if (strcmp(found, "ok") != 0)
        book(doctor, "database", false, CF_EXIT_RESUMABLE,
             "%s is damaged: %s; keep a copy and try sqlite3's .recover", doctor->database, found);
    else
        book(doctor, "database", true, 0, "%s opens and is whole, %s KB", doctor->database,
             cf_format_count(st.st_size / 1024, size));
    cf_reader_free(reader);
}

static void check_disk(struct doctor *doctor)
{
    struct statvfs fs;
    char *folder = cf_strdup(doctor->database), *slash = strrchr(folder, '/');
    char size[CF_NUMBER_TEXT_MAX];
    if (slash != NULL)
        slash[slash == folder ? 1 : 0] = '\0';
    const char *place = slash != NULL ? folder : ".";
    if (statvfs(place, &fs) != 0) {
        book(doctor, "disk", false, CF_EXIT_USAGE, "folder %s: %s", place, strerror(errno));
    } else {
        uint64_t free_mb = ((uint64_t)fs.f_bavail * fs.f_frsize) >> 20;
        bool is_enough = free_mb >= DISK_MIN_MB;
        book(doctor, "disk", is_enough, CF_EXIT_RESUMABLE, "%s MB free in folder %s%s",
             cf_format_count((int64_t)free_mb, size), place,
             is_enough ? "" : "; make room before a run");
    }
    free(folder);
}

static void check_files(struct doctor *doctor)
{
    struct rlimit limit;
    char text[CF_NUMBER_TEXT_MAX];
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    if (limit.rlim_cur == RLIM_INFINITY)
        book(doctor, "limits", true, 0, "as many open files as there may be");
    else
        book(doctor, "limits", limit.rlim_cur >= FILES_MIN, CF_EXIT_USAGE, "%s open files%s",
             cf_format_count((int64_t)limit.rlim_cur, text),
             limit.rlim_cur >= FILES_MIN ? "" : "; raise it: ulimit -n 1024");
}

/* --- the command --- */

static void print_people(const struct doctor *doctor)
{
    for (size_t i = 0; i < doctor->count; i++) {
        const struct check *check = &doctor->checks[i];
        cf_printf("%-4s  %-9s ", check->is_ok ? "ok" : "FAIL", check->name);
        cf_print_line(cf_text_of(check->message), 0);
        cf_printf("\n");
    }
}

static bool print_json(const struct doctor *doctor, struct cf_error *err)
{
    struct cf_buf out;
    cf_buf_init(&out, CF_OBJECT_MAX);
    cf_object_open(&out, NULL);
    cf_object_bool(&out, "ok", doctor->exit_status == CF_EXIT_OK);
    cf_object_open_list(&out, "checks");
    for (size_t i = 0; i < doctor->count; i++) {
        cf_object_open(&out, NULL);
        cf_object_str(&out, "name", doctor->checks[i].name);
        cf_object_bool(&out, "ok", doctor->checks[i].is_ok);
        cf_object_str(&out, "message", doctor->checks[i].message);
        cf_object_close(&out);
    }
    cf_object_close_list(&out);
    cf_object_close(&out);
    bool ok = cf_object_print(&out, err);
    cf_buf_done(&out);
    return ok;
}

static int doctor_command(const struct cf_args *args, struct cf_error *err)
{
    struct doctor doctor = { .args = args };
    cf_env_load(&doctor.env, ".env");
    find_settings(&doctor);
    if (doctor.key != NULL) {
        doctor.was_asked = true;
        if (!cf_probe_models(doctor.base_url, doctor.key, &doctor.probe, err)) {
            cf_env_done(&doctor.env);
            return -1;
        }
    }
    check_key(&doctor);
    check_service(&doctor);
    check_model(&doctor);
    check_database(&doctor);
    check_disk(&doctor);
    check_files(&doctor);
    check_clock(&doctor);

    bool ok = true;
    if (cf_args_has(args, "json"))
        ok = print_json(&doctor, err);
    else
        print_people(&doctor);
    cf_probe_done(&doctor.probe);
    cf_env_done(&doctor.env);
    return ok ? doctor.exit_status : -1;
}

const struct cf_command cf_command_doctor = {
    .name = "doctor",
    .synopsis = "",
    .summary = "Check key, service, model, database, disk, limits and clock",
    .example = "confab doctor",
    .details =
        "A line for each check. Exit status: 0 only if all is well; 2 if something here is to\n"
        "be set right, 4 if the service or the disk is in the way. One request is made, for\n"
        "the list of models: it costs nothing.",
    .options = options,
    .common = cf_database_options,
    .run = doctor_command,
};
