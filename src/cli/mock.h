/* mock.h - `confab mock`: the simulator as a server in the foreground. */
#ifndef CONFAB_CLI_MOCK_H
#define CONFAB_CLI_MOCK_H

struct cf_command;

extern const struct cf_command cf_command_mock;
#endif
