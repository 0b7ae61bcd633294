/* The script for zsh: a call of _arguments for each command. */
#include "cli/command.h"
#include "cli/completion.h"
#include "confab/buf.h"

/* Text within single quotes, in which _arguments reads [ ] : \ and we need no quote. */
static void add_text(const char *text, struct cf_buf *out)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            cf_buf_adds(out, "'\\''");
            continue;
        }
        if (*text == '[' || *text == ']' || *text == ':' || *text == '\\')
            cf_buf_addc(out, '\\');
        cf_buf_addc(out, *text);
    }
}

/* ":NAME:ACTION". */
static void add_word(const struct cf_word *word, struct cf_buf *out)
{
    bool is_choice = word->kind == CF_WORD_CHOICE;
    cf_buf_addf(out, ":%.*s:", is_choice ? 5 : (int)word->name_len,
                is_choice ? "which" : word->name);
    switch (word->kind) {
    case CF_WORD_CHOICE:
        cf_buf_addc(out, '(');
        cf_word_add_choices(word, out);
        cf_buf_addc(out, ')');
        return;
    case CF_WORD_COMMAND: cf_buf_adds(out, "_confab_commands"); return;
    case CF_WORD_FILE: cf_buf_adds(out, "_files"); return;
    case CF_WORD_SCRIPT: cf_buf_adds(out, "_files -g \"*.lua\""); return;
    case CF_WORD_FOLDER: cf_buf_adds(out, "_files -/"); return;
    case CF_WORD_ANY: cf_buf_addc(out, ' '); return;
    }
}

static void add_option(const struct cf_option *option, struct cf_buf *out)
{
    const char *after = option->value == NULL ? "" : option->is_optional ? "=-" : "=";
    cf_buf_adds(out, " \\\n      ");
    if (option->letter != 0)
        cf_buf_addf(out, "'(-%c --%s)'{-%c%s,--%s%s}'", option->letter, option->name,
                    option->letter, option->value != NULL ? "+" : "", option->name, after);
    else
        cf_buf_addf(out, "'--%s%s", option->name, after);
    cf_buf_addc(out, '[');
    add_text(option->help, out);
    cf_buf_addc(out, ']');
    if (option->value != NULL) {
        struct cf_word word = cf_word_of_option(option);
        if (option->is_optional)
            cf_buf_addc(out, ':');
        add_word(&word, out);
    }
    cf_buf_addc(out, '\'');
}

static void add_command(const struct cf_command *command, struct cf_buf *out)
{
    const struct cf_option *option;
    bool repeats = false;
    cf_buf_addf(out, "  %s)\n    _arguments -s", command->name);
    for (size_t i = 0; (option = cf_command_option(command, i)) != NULL; i++)
        add_option(option, out);
    for (size_t i = 0; !repeats; i++) {
        struct cf_word word = cf_word_of_argument(command, i, &repeats);
        if (word.name == NULL)
            break;
        if (repeats)
            cf_buf_adds(out, " \\\n      '*");
        else
            cf_buf_addf(out, " \\\n      '%zu", i + 1);
        add_word(&word, out);
        cf_buf_addc(out, '\'');
    }
    cf_buf_adds(out, "\n    ;;\n");
}

void cf_completion_zsh(struct cf_buf *out)
{
    cf_buf_adds(out,
                "#compdef confab\n# zsh completion of confab, made by 'confab completion zsh'\n\n"
                "_confab_commands() {\n  local -a commands\n  commands=(\n");
    for (const struct cf_command *const *command = cf_commands; *command != NULL; command++) {
        cf_buf_addf(out, "    '%s:", (*command)->name);
        add_text((*command)->summary, out);
        cf_buf_adds(out, "'\n");
    }
    cf_buf_adds(out, "  )\n  _describe -t commands 'command' commands\n}\n\n"
                     "_confab() {\n"
                     "  if (( CURRENT == 2 )); then\n    _confab_commands\n    return\n  fi\n"
                     "  local command=$words[2]\n"
                     "  shift words\n  (( CURRENT-- ))\n"
                     "  case $command in\n");
    for (const struct cf_command *const *command = cf_commands; *command != NULL; command++)
        add_command(*command, out);
    cf_buf_adds(out, "  esac\n}\n\n"
                     "# As a file of fpath this is the function's body; sourced, it announces it.\n"
                     "if [[ $funcstack[1] == _confab ]]; then\n  _confab \"$@\"\n"
                     "else\n  compdef _confab confab\nfi\n");
}
