#include "cli/script_end.h"

#include <string.h>

#include "cli/command.h"
#include "cli/script.h"
#include "confab/buf.h"

/* Whether a frame's place, such as "pipeline.lua:12:", stands in the message. */
static bool is_named(const char *frame, size_t len, const char *message)
{
    const char *end = memmem(frame, len, ": ", 2);
    return end != NULL &&
           memmem(message, strlen(message), frame + 1, (size_t)(end - frame)) != NULL;
}

void cf_script_trace(const char *traceback, const char *message, struct cf_buf *out)
{
    struct cf_buf frames;
    int count = 0;
    bool is_news = false;
    cf_buf_init(&frames, CF_SCRIPT_BYTES_MAX);
    for (const char *line = traceback; line != NULL && *line != '\0';) {
        size_t len = strcspn(line, "\n");
        bool is_frame = line[0] == '\t' && strncmp(line + 1, "confab/", 7) != 0 &&
                        memmem(line, len, "[C]", 3) == NULL && memmem(line, len, "(...", 4) == NULL;
        if (is_frame) {
            cf_buf_add(&frames, line, len);
            cf_buf_addc(&frames, '\n');
            count++;
            is_news = count > 1 || !is_named(line, len, message);
        }
        line += len + (line[len] == '\n');
    }
    if (is_news)
        cf_buf_addf(out, "stack traceback:\n%s", cf_buf_str(&frames));
    cf_buf_done(&frames);
}

/* Adds a word as a shell takes it. */
static void add_word(struct cf_buf *out, const char *word)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:,=+@%";
    if (word[0] != '\0' && word[strspn(word, plain)] == '\0') {
        cf_buf_adds(out, word);
        return;
    }
    cf_buf_addc(out, '\'');
    for (; *word != '\0'; word++) {
        if (*word == '\'')
            cf_buf_adds(out, "'\\''");
        else
            cf_buf_addc(out, *word);
    }
    cf_buf_addc(out, '\'');
}

void cf_script_command(const struct cf_args *args, const char *budget, struct cf_buf *out)
{
    cf_buf_addf(out, "confab %s", args->command->name);
    for (size_t i = 0; i < args->given_count; i++) {
        const struct cf_arg *given = &args->given[i];
        if (strcmp(given->option->name, "fresh") == 0 || strcmp(given->option->name, "failed") == 0)
            continue;                /* done with: said again they would begin anew */
        if (budget != NULL && strcmp(given->option->name, "budget") == 0)
            continue;
        cf_buf_addf(out, " --%s", given->option->name);
        if (given->value != NULL && (given->value[0] != '\0' || !given->option->is_optional)) {
            cf_buf_addc(out, given->option->is_optional ? '=' : ' ');
            add_word(out, given->value);
        }
    }
    if (budget != NULL)
        cf_buf_addf(out, " --budget %s", budget);
    bool has_dash = false;
    for (size_t i = 0; i < args->positional_count; i++)
        has_dash = has_dash || args->positionals[i][0] == '-';
    if (has_dash)
        cf_buf_adds(out, " --");
    for (size_t i = 0; i < args->positional_count; i++) {
        cf_buf_addc(out, ' ');
        add_word(out, args->positionals[i]);
    }
}
