/* serve.h - confab serve: what a script offers, over HTTP. */
#ifndef CONFAB_CLI_SERVE_H
#define CONFAB_CLI_SERVE_H

struct cf_command;

extern const struct cf_command cf_command_serve;
#endif
