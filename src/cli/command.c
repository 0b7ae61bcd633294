#include "cli/command.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "confab/buf.h"
#include "confab/error.h"

#define WORD_MAX 64         /* longer words are no misspelt names */

int cf_exit_status(enum cf_error_kind kind)
{
    switch (kind) {
    case CF_ERR_CONFIG: return CF_EXIT_USAGE;
    case CF_ERR_BUDGET: return CF_EXIT_BUDGET;
    case CF_ERR_STORAGE:
    case CF_ERR_API:
    case CF_ERR_RATE_LIMIT: return CF_EXIT_RESUMABLE;
    case CF_ERR_CANCELLED: return CF_EXIT_INTERRUPTED;
    case CF_ERR_SCRIPT: return CF_EXIT_SCRIPT;
    default: return CF_EXIT_FAILED_ITEMS;
    }
}

/* --- misspelt words --- */

static size_t edit_distance(const char *a, const char *b)
{
    size_t a_len = strlen(a), b_len = strlen(b);
    size_t row[WORD_MAX + 1];
    if (a_len > WORD_MAX || b_len > WORD_MAX)
        return WORD_MAX;
    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            size_t least = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            diagonal = row[j];
            row[j] = change < least ? change : least;
        }
    }
    return row[b_len];
}

const char *cf_nearest_name(const char *word, const char *const *names, size_t count)
{
    const char *best = NULL;
    size_t best_distance = strlen(word) / 2 + 1;      /* half wrong is another word */
    for (size_t i = 0; i < count; i++) {
        size_t distance = edit_distance(word, names[i]);
        if (distance < best_distance) {
            best_distance = distance;
            best = names[i];
        }
    }
    return best;
}

/* --- parsing --- */

static const struct cf_option help_option = { "help", 'h', NULL, false, "show this help" };

const struct cf_option *cf_command_option(const struct cf_command *command, size_t index)
{
    size_t at = 0;
    for (const struct cf_option *row = command->options; row != NULL && row->name != NULL; row++)
        if (at++ == index)
            return row;
    for (const struct cf_option *row = command->common; row != NULL && row->name != NULL; row++)
        if (at++ == index)
            return row;
    return at == index ? &help_option : NULL;
}

static const struct cf_option *find_long(const struct cf_command *command, const char *name,
                                         size_t len)
{
    const struct cf_option *row;
    for (size_t i = 0; (row = cf_command_option(command, i)) != NULL; i++)
        if (strlen(row->name) == len && memcmp(row->name, name, len) == 0)
            return row;
    return NULL;
}

static const struct cf_option *find_letter(const struct cf_command *command, char letter)
{
    const struct cf_option *row;
    for (size_t i = 0; (row = cf_command_option(command, i)) != NULL; i++)
        if (row->letter != 0 && row->letter == letter)
            return row;
    return NULL;
}

static bool fail_unknown(const struct cf_command *command, const char *word, size_t name_len,
                         struct cf_error *err)
{
    const char *names[64];
    size_t count = 0;
    const struct cf_option *row;
    while (count < sizeof names / sizeof *names &&
           (row = cf_command_option(command, count)) != NULL)
        names[count++] = row->name;

    char name[WORD_MAX + 1] = "";
    const char *nearest = NULL;
    if (name_len <= WORD_MAX) {
        memcpy(name, word + 2, name_len);
        nearest = cf_nearest_name(name, names, count);
    }
    if (nearest != NULL)
        return cf_fail(err, CF_ERR_CONFIG, "%s: unknown option %s; did you mean --%s?",
                       command->name, word, nearest);
    return cf_fail(err, CF_ERR_CONFIG, "%s: unknown option %s; 'confab help %s' lists them",
                   command->name, word, command->name);
}

/* Reads argv[*at], which starts with '-', and its value; moves *at past both. */
static bool parse_option(const struct cf_command *command, int argc, char **argv, int *at,
                         struct cf_arg *out, struct cf_error *err)
{
    const char *word = argv[(*at)++];
    const char *value = NULL;
    const struct cf_option *option;

    if (word[1] == '-') {
        const char *equals = strchr(word, '=');
        size_t len = equals != NULL ? (size_t)(equals - word) - 2 : strlen(word) - 2;
        option = find_long(command, word + 2, len);
        if (option == NULL)
            return fail_unknown(command, word, len, err);
        if (equals != NULL)
            value = equals + 1;
        if (value != NULL && option->value == NULL)
            return cf_fail(err, CF_ERR_CONFIG, "%s: --%s takes no value", command->name,
                           option->name);
    } else {
        option = find_letter(command, word[1]);
        if (option == NULL)
            return cf_fail(err, CF_ERR_CONFIG, "%s: unknown option %s; 'confab help %s' lists them",
                           command->name, word, command->name);
        if (word[2] != '\0') {
            if (option->value == NULL)
                return cf_fail(err, CF_ERR_CONFIG, "%s: -%c takes no value", command->name,
                               option->letter);
            value = word + 2;
        }
    }

    if (value == NULL && option->value != NULL && option->is_optional)
        value = "";
    if (value == NULL && option->value != NULL) {
        if (*at >= argc)
            return cf_fail(err, CF_ERR_CONFIG, "%s: --%s needs a value: --%s %s",
                           command->name, option->name, option->name, option->value);
        value = argv[(*at)++];
    }
    *out = (struct cf_arg){ option, value };
    return true;
}

bool cf_args_parse(const struct cf_command *command, int argc, char **argv,
                   struct cf_args *out, struct cf_error *err)
{
    struct cf_args args = { .command = command };
    args.given = cf_calloc((size_t)argc + 1, sizeof *args.given);
    args.positionals = cf_calloc((size_t)argc + 1, sizeof *args.positionals);

    bool only_positionals = false;
    for (int at = 0; at < argc;) {
        const char *word = argv[at];
        if (only_positionals || word[0] != '-' || word[1] == '\0') {
            args.positionals[args.positional_count++] = word;
            only_positionals = only_positionals || command->stops_at_positional;
            at++;
        } else if (strcmp(word, "--") == 0) {
            only_positionals = true;
            at++;
        } else {
            struct cf_arg arg;
            if (!parse_option(command, argc, argv, &at, &arg, err))
                goto failed;
            if (arg.option == &help_option) {
                args.wants_help = true;
                *out = args;
                return true;
            }
            args.given[args.given_count++] = arg;
        }
    }

    if ((int)args.positional_count < command->min_positionals) {
        cf_fail(err, CF_ERR_CONFIG, "%s: something is missing: confab %s %s",
                command->name, command->name, command->synopsis);
        goto failed;
    }
    if (command->max_positionals >= 0 && (int)args.positional_count > command->max_positionals) {
        cf_fail(err, CF_ERR_CONFIG, "%s: unexpected '%s'; the form is: confab %s %s", command->name,
                args.positionals[command->max_positionals], command->name, command->synopsis);
        goto failed;
    }
    *out = args;
    return true;

failed:
    cf_args_done(&args);
    return false;
}

void cf_args_done(struct cf_args *args)
{
    free(args->given);
    free(args->positionals);
    *args = (struct cf_args){ 0 };
}

bool cf_args_has(const struct cf_args *args, const char *name)
{
    for (size_t i = 0; i < args->given_count; i++)
        if (strcmp(args->given[i].option->name, name) == 0)
            return true;
    return false;
}

const char *cf_args_get(const struct cf_args *args, const char *name)
{
    for (size_t i = args->given_count; i > 0; i--)
        if (strcmp(args->given[i - 1].option->name, name) == 0)
            return args->given[i - 1].value;
    return NULL;
}

bool cf_args_int(const struct cf_args *args, const char *name, int64_t low, int64_t high,
                 int64_t *out, struct cf_error *err)
{
    const char *text = cf_args_get(args, name);
    if (text == NULL)
        return true;
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || value < low || value > high)
        return cf_fail(err, CF_ERR_CONFIG, "--%s: '%s' is not a whole number from %lld to %lld",
                       name, text, (long long)low, (long long)high);
    *out = value;
    return true;
}

bool cf_args_number(const struct cf_args *args, const char *name, double low, double high,
                    double *out, struct cf_error *err)
{
    const char *text = cf_args_get(args, name);
    if (text == NULL)
        return true;
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(value) || value < low || value > high)
        return cf_fail(err, CF_ERR_CONFIG, "--%s: '%s' is not a number from %g to %g",
                       name, text, low, high);
    *out = value;
    return true;
}

/* --- help --- */

static void add_option_help(const struct cf_option *row, struct cf_buf *out)
{
    struct cf_buf text;
    cf_buf_init(&text, 128);
    if (row->letter != 0)
        cf_buf_addf(&text, "-%c, ", row->letter);
    cf_buf_addf(&text, "--%s", row->name);
    if (row->value != NULL)
        cf_buf_addf(&text, row->is_optional ? "[=%s]" : " %s", row->value);
    cf_buf_addf(out, "  %-24s %s\n", cf_buf_str(&text), row->help);
    cf_buf_done(&text);
}

void cf_command_format_help(const struct cf_command *command, struct cf_buf *out)
{
    cf_buf_addf(out, "%s.\n\n", command->summary);
    for (const char *line = command->example; line != NULL && *line != '\0';) {
        size_t len = strcspn(line, "\n");
        cf_buf_addf(out, "  %.*s\n", (int)len, line);
        line += len + (line[len] == '\n');
    }
    cf_buf_addf(out, "\nusage: confab %s%s%s\n", command->name,
                command->synopsis[0] != '\0' ? " " : "", command->synopsis);

    if (command->options != NULL && command->options->name != NULL) {
        cf_buf_adds(out, "\noptions:\n");
        for (const struct cf_option *row = command->options; row->name != NULL; row++)
            add_option_help(row, out);
    }
    if (command->common != NULL) {
        cf_buf_adds(out, "\ncommon options:\n");
        for (const struct cf_option *row = command->common; row->name != NULL; row++)
            add_option_help(row, out);
    }
    if (command->details != NULL)
        cf_buf_addf(out, "\n%s\n", command->details);
}
