#include <stdio.h>

#include "cli/command.h"
#include "cli/commands.h"

void cf_version_print(void)
{
    printf("confab %s\n", CONFAB_VERSION);
}

static int version(const struct cf_args *args, struct cf_error *err)
{
    (void)args, (void)err;
    cf_version_print();
    return CF_EXIT_OK;
}

const struct cf_command cf_command_version = {
    .name = "version",
    .synopsis = "",
    .summary = "Print the version",
    .example = "confab version",
    .run = version,
};
