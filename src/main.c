/* The program: finds the command, runs it, prints its error, gives the exit status. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/print.h"
#include "confab/buf.h"
#include "confab/error.h"

#define HELP_MAX 65536

/* Names that came from outside must not steer the terminal, and no key is shown. The message of
 * a script may have lines. */
static int fail(struct cf_error *err)
{
    cf_redact(err->message);
    for (char *c = err->message; *c != '\0'; c++)
        if (((unsigned char)*c < 0x20 && *c != '\n' && *c != '\t') || *c == 0x7f)
            *c = '?';
    fflush(stdout);
    fprintf(stderr, "confab: %s\n", err->message);
    cf_print_what_is_behind();
    return cf_exit_status(err->kind);
}

static void print_overview(FILE *to)
{
    struct cf_buf text;
    cf_buf_init(&text, HELP_MAX);
    cf_help_overview(&text);
    fputs(cf_buf_str(&text), to);
    cf_buf_done(&text);
}

static int run_command(const struct cf_command *command, int argc, char **argv,
                       struct cf_error *err)
{
    struct cf_args args;
    if (!cf_args_parse(command, argc, argv, &args, err))
        return -1;

    int status = CF_EXIT_OK;
    if (args.wants_help) {
        struct cf_buf text;
        cf_buf_init(&text, HELP_MAX);
        cf_command_format_help(command, &text);
        fputs(cf_buf_str(&text), stdout);
        cf_buf_done(&text);
    } else {
        status = command->run(&args, err);
    }
    cf_args_done(&args);
    return status;
}

static int dispatch(int argc, char **argv, struct cf_error *err)
{
    if (argc < 2) {
        print_overview(stderr);
        return CF_EXIT_USAGE;
    }
    const char *word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        print_overview(stdout);
        return CF_EXIT_OK;
    }
    if (strcmp(word, "--version") == 0) {
        cf_version_print();
        return CF_EXIT_OK;
    }
    if (word[0] == '-') {
        cf_fail(err, CF_ERR_CONFIG,
                "a command comes first: confab COMMAND %s; 'confab help' lists them", word);
        return -1;
    }
    const struct cf_command *command;
    if (!cf_command_get(word, &command, err))
        return -1;
    return run_command(command, argc - 2, argv + 2, err);
}

/* A stream that was closed before we began would let the next file take its number, and what is
 * printed would go into that. Each takes the lowest number that is free, so it stays closed to its
 * purpose: reading from a file opened for writing fails, and the other way round. */
static void keep_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 &&
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            _exit(CF_EXIT_RESUMABLE);
}

int main(int argc, char **argv)
{
    keep_standard_streams();
    struct cf_error err;
    int status = dispatch(argc, argv, &err);
    if (status < 0)
        return fail(&err);
    cf_print_what_is_behind();
    if (!cf_print_finish(&err)) {
        int unwritten = fail(&err);
        if (status == CF_EXIT_OK)            /* else the reason that came first stays */
            return unwritten;
    }
    return status;
}
