/* mock.h - `confab mock`: the simulator as a server in the foreground. */
#ifndef CONFAB_CLI_MOCK_H
#define CONFAB_CLI_MOCK_H

/* argv[0] is "mock". Serves until SIGINT or SIGTERM, then prints the counters.
 * Returns the exit status: 0, or 2 for wrong use or a port or file that cannot be opened. */
int cf_cmd_mock(int argc, char **argv);
#endif
