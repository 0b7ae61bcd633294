/* The script for fish: a line for each command, option and argument. */
#include "cli/command.h"
#include "cli/completion.h"
#include "confab/buf.h"

static const char head[] =
    "# fish completion of confab, made by 'confab completion fish'\n\n"
    "# Whether that command was typed; without a name, whether none was.\n"
    "function __confab_is\n"
    "    set -l words (commandline -opc)\n"
    "    if set -q argv[1]\n"
    "        test (count $words) -gt 1; and test \"$words[2]\" = $argv[1]\n"
    "    else\n"
    "        test (count $words) -eq 1\n"
    "    end\n"
    "end\n\n"
    "complete -c confab -f\n";

static void add_text(const char *text, struct cf_buf *out)
{
    cf_buf_addc(out, '\'');
    for (; *text != '\0'; text++) {
        if (*text == '\'' || *text == '\\')
            cf_buf_addc(out, '\\');
        cf_buf_addc(out, *text);
    }
    cf_buf_addc(out, '\'');
}

/* What is offered, as an option of `complete`; nothing where nothing can be. */
static void add_offer(const struct cf_word *word, struct cf_buf *out)
{
    switch (word->kind) {
    case CF_WORD_CHOICE:
        cf_buf_adds(out, " -a '");
        cf_word_add_choices(word, out);
        cf_buf_addc(out, '\'');
        return;
    case CF_WORD_COMMAND:
        cf_buf_adds(out, " -a '");
        for (const struct cf_command *const *command = cf_commands; *command != NULL; command++)
            cf_buf_addf(out, "%s%s", command == cf_commands ? "" : " ", (*command)->name);
        cf_buf_addc(out, '\'');
        return;
    case CF_WORD_FILE: cf_buf_adds(out, " -F"); return;
    case CF_WORD_SCRIPT: cf_buf_adds(out, " -k -a '(__fish_complete_suffix .lua)'"); return;
    case CF_WORD_FOLDER: cf_buf_adds(out, " -a '(__fish_complete_directories)'"); return;
    case CF_WORD_ANY: return;
    }
}

static void add_command(const struct cf_command *command, struct cf_buf *out)
{
    const struct cf_option *option;
    bool repeats;
    cf_buf_addf(out, "\ncomplete -c confab -n __confab_is -a %s -d ", command->name);
    add_text(command->summary, out);
    cf_buf_addc(out, '\n');

    struct cf_word argument = cf_word_of_argument(command, 0, &repeats);
    /* the files offered for a script do for what follows it */
    if (argument.kind != CF_WORD_ANY) {
        cf_buf_addf(out, "complete -c confab -n '__confab_is %s'", command->name);
        add_offer(&argument, out);
        cf_buf_addc(out, '\n');
    }
    for (size_t i = 0; (option = cf_command_option(command, i)) != NULL; i++) {
        cf_buf_addf(out, "complete -c confab -n '__confab_is %s' -l %s", command->name,
                    option->name);
        if (option->letter != 0)
            cf_buf_addf(out, " -s %c", option->letter);
        if (option->value != NULL && !option->is_optional) {
            struct cf_word word = cf_word_of_option(option);
            cf_buf_adds(out, word.kind == CF_WORD_FILE ? " -r" : " -x");
            add_offer(&word, out);
        }
        cf_buf_adds(out, " -d ");
        add_text(option->help, out);
        cf_buf_addc(out, '\n');
    }
}

void cf_completion_fish(struct cf_buf *out)
{
    cf_buf_adds(out, head);
    for (const struct cf_command *const *command = cf_commands; *command != NULL; command++)
        add_command(*command, out);
}
