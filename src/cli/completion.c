#include "cli/completion.h"

#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "confab/buf.h"
#include "confab/error.h"

#define SCRIPT_MAX 1000000

/* The help's names for values and arguments tell what they are. */
static struct cf_word read_word(const char *name, size_t len)
{
    static const struct { const char *name; enum cf_word_kind kind;
    } known[] = {
        { "SCRIPT.lua", CF_WORD_SCRIPT }, { "FILE.lua", CF_WORD_SCRIPT },
        { "FILE", CF_WORD_FILE },         { "ARGS", CF_WORD_FILE },
        { "DIR", CF_WORD_FOLDER },        { "COMMAND", CF_WORD_COMMAND },
    };
    struct cf_word word = { CF_WORD_ANY, name, len };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strlen(known[i].name) == len && memcmp(known[i].name, name, len) == 0)
            word.kind = known[i].kind;
    if (memchr(name, '|', len) != NULL)
        word.kind = CF_WORD_CHOICE;
    return word;
}

struct cf_word cf_word_of_option(const struct cf_option *option)
{
    return read_word(option->value, strlen(option->value));
}

/* "SCRIPT.lua [ARGS...]": the words up to the first option. */
struct cf_word cf_word_of_argument(const struct cf_command *command, size_t index,
                                   bool *out_repeats)
{
    const char *at = command->synopsis;
    *out_repeats = false;
    for (size_t i = 0; *at != '\0' && *at != '-'; i++) {
        at += strspn(at, "[");
        size_t len = strcspn(at, " ]."), whole = strcspn(at, " ");
        if (strncmp(at + len, ".lua", 4) == 0)
            len += 4;
        bool repeats = strncmp(at + len, "...", 3) == 0;
        if (i == index || (repeats && index > i)) {
            *out_repeats = repeats;
            return read_word(at, len);
        }
        at += whole;
        at += strspn(at, " ");
    }
    return (struct cf_word){ CF_WORD_ANY, NULL, 0 };
}

void cf_word_add_choices(const struct cf_word *word, struct cf_buf *out)
{
    for (size_t i = 0; i < word->name_len; i++)
        cf_buf_addc(out, word->name[i] == '|' ? ' ' : word->name[i]);
}

static int completion(const struct cf_args *args, struct cf_error *err)
{
    static const struct { const char *shell; void (*add)(struct cf_buf *out); } scripts[] = {
        { "bash", cf_completion_bash },
        { "zsh", cf_completion_zsh },
        { "fish", cf_completion_fish },
    };
    const char *shell = args->positionals[0];
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++)
        if (strcmp(scripts[i].shell, shell) == 0) {
            struct cf_buf text;
            cf_buf_init(&text, SCRIPT_MAX);
            scripts[i].add(&text);
            fputs(cf_buf_str(&text), stdout);
            cf_buf_done(&text);
            return CF_EXIT_OK;
        }
    cf_fail(err, CF_ERR_CONFIG, "completion: the shell is bash, zsh or fish, not '%s'", shell);
    return -1;
}

const struct cf_command cf_command_completion = {
    .name = "completion",
    .synopsis = "bash|zsh|fish",
    .summary = "Print the completions of commands, options and files for a shell",
    .example = "confab completion bash > confab.bash",
    .details =
        "'cmake --install' puts them where the shells look. By hand, for one session:\n\n"
        "  bash   source <(confab completion bash)\n"
        "  zsh    source <(confab completion zsh)      behind compinit\n"
        "  fish   confab completion fish | source\n\n"
        "and for good: the same line in .bashrc or .zshrc, or, for fish, its output in\n"
        "~/.config/fish/completions/confab.fish.",
    .min_positionals = 1,
    .max_positionals = 1,
    .run = completion,
};
