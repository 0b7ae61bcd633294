/* The script for bash: three functions that answer from the tables, and one that asks them. */
#include "cli/command.h"
#include "cli/completion.h"
#include "confab/buf.h"

static const char head[] =
    "# bash completion of confab, made by 'confab completion bash'\n";

static const char tail[] =
    "_confab() {\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} option= kind= before=0 i "
    "word\n"
    "    COMPREPLY=()\n"
    "    if ((COMP_CWORD == 1)); then\n"
    "        mapfile -t COMPREPLY < <(compgen -W \"$(_confab_commands)\" -- \"$cur\")\n"
    "        return\n"
    "    fi\n"
    "    # '=' is a word of its own here.\n"
    "    for ((i = 2; i < COMP_CWORD; i++)); do\n"
    "        word=${COMP_WORDS[i]}\n"
    "        if [[ $word == = && ${COMP_WORDS[i - 1]} == --* ]]; then\n"
    "            option=${COMP_WORDS[i - 1]}\n"
    "        elif [[ -n $option ]]; then\n"
    "            option=\n"
    "        elif [[ $word == -?* ]]; then\n"
    "            _confab_value \"$command\" \"$word\"\n"
    "            [[ -z $kind ]] || option=$word\n"
    "        else\n"
    "            before=$((before + 1))\n"
    "        fi\n"
    "    done\n"
    "    if [[ $cur == = && ${COMP_WORDS[COMP_CWORD - 1]} == --* ]]; then\n"
    "        option=${COMP_WORDS[COMP_CWORD - 1]} cur=\n"
    "    fi\n"
    "    kind=\n"
    "    if [[ -n $option ]]; then\n"
    "        _confab_value \"$command\" \"$option\"\n"
    "    elif [[ $cur == -* ]]; then\n"
    "        kind=\"words $(_confab_options \"$command\")\"\n"
    "    else\n"
    "        _confab_argument \"$command\" \"$before\"\n"
    "    fi\n"
    "    case $kind in\n"
    "    files | scripts | folders) compopt -o filenames 2>/dev/null ;;\n"
    "    esac\n"
    "    case $kind in\n"
    "    words\\ *) mapfile -t COMPREPLY < <(compgen -W \"${kind#words }\" -- \"$cur\") ;;\n"
    "    commands) mapfile -t COMPREPLY < <(compgen -W \"$(_confab_commands)\" -- \"$cur\") ;;\n"
    "    files) mapfile -t COMPREPLY < <(compgen -f -- \"$cur\") ;;\n"
    "    folders) mapfile -t COMPREPLY < <(compgen -d -- \"$cur\") ;;\n"
    "    scripts) mapfile -t COMPREPLY < <(compgen -d -- \"$cur\"; compgen -f -X '!*.lua' -- "
    "\"$cur\") ;;\n"
    "    esac\n"
    "}\n"
    "complete -F _confab confab\n";

static void add_kind(const struct cf_word *word, struct cf_buf *out)
{
    switch (word->kind) {
    case CF_WORD_CHOICE:
        cf_buf_adds(out, "kind='words ");
        cf_word_add_choices(word, out);
        cf_buf_addc(out, '\'');
        return;
    case CF_WORD_COMMAND: cf_buf_adds(out, "kind=commands"); return;
    case CF_WORD_FILE: cf_buf_adds(out, "kind=files"); return;
    case CF_WORD_SCRIPT: cf_buf_adds(out, "kind=scripts"); return;
    case CF_WORD_FOLDER: cf_buf_adds(out, "kind=folders"); return;
    case CF_WORD_ANY: cf_buf_adds(out, "kind=any"); return;
    }
}

static void add_commands(struct cf_buf *out)
{
    cf_buf_adds(out, "_confab_commands() {\n    echo '");
    for (const struct cf_command *const *command = cf_commands; *command != NULL; command++)
        cf_buf_addf(out, "%s%s", command == cf_commands ? "" : " ", (*command)->name);
    cf_buf_adds(out, "'\n}\n\n");
}

/* _confab_options COMMAND prints them. */
static void add_options(struct cf_buf *out)
{
    const struct cf_option *option;
    cf_buf_adds(out, "_confab_options() {\n    case $1 in\n");
    for (const struct cf_command *const *command = cf_commands; *command != NULL; command++) {
        cf_buf_addf(out, "    %s) echo '", (*command)->name);
        for (size_t i = 0; (option = cf_command_option(*command, i)) != NULL; i++)
            cf_buf_addf(out, "%s--%s", i == 0 ? "" : " ", option->name);
        cf_buf_adds(out, "' ;;\n");
    }
    cf_buf_adds(out, "    esac\n}\n\n");
}

/* _confab_value COMMAND OPTION sets kind: empty for an option that the next word does not belong
 * to. */
static void add_values(struct cf_buf *out)
{
    const struct cf_option *option;
    cf_buf_adds(out, "_confab_value() {\n    kind=\n    case \"$1 $2\" in\n");
    for (const struct cf_command *const *command = cf_commands; *command != NULL; command++)
        for (size_t i = 0; (option = cf_command_option(*command, i)) != NULL; i++) {
            if (option->value == NULL || option->is_optional)
                continue;
            struct cf_word word = cf_word_of_option(option);
            cf_buf_addf(out, "    '%s --%s'", (*command)->name, option->name);
            if (option->letter != 0)
                cf_buf_addf(out, " | '%s -%c'", (*command)->name, option->letter);
            cf_buf_adds(out, ") ");
            add_kind(&word, out);
            cf_buf_adds(out, " ;;\n");
        }
    cf_buf_adds(out, "    esac\n}\n\n");
}

/* _confab_argument COMMAND NUMBER sets kind. */
static void add_arguments(struct cf_buf *out)
{
    cf_buf_adds(out, "_confab_argument() {\n    kind=\n    case \"$1 $2\" in\n");
    for (const struct cf_command *const *command = cf_commands; *command != NULL; command++) {
        bool repeats = false;
        for (size_t i = 0; !repeats; i++) {
            struct cf_word word = cf_word_of_argument(*command, i, &repeats);
            if (word.name == NULL)
                break;
            if (repeats)
                cf_buf_addf(out, "    '%s '*) ", (*command)->name);
            else
                cf_buf_addf(out, "    '%s %zu') ", (*command)->name, i);
            add_kind(&word, out);
            cf_buf_adds(out, " ;;\n");
        }
    }
    cf_buf_adds(out, "    esac\n}\n\n");
}

void cf_completion_bash(struct cf_buf *out)
{
    cf_buf_adds(out, head);
    cf_buf_addc(out, '\n');
    add_commands(out);
    add_options(out);
    add_values(out);
    add_arguments(out);
    cf_buf_adds(out, tail);
}
