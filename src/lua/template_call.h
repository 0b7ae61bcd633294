/* template_call.h - functions that a template calls.
 *
 *  fn(text, render) -> a text, read as template text unless fn called render
 *      text: the body of the section as it is written; nil for a variable
 *  render(text) -> text with the values where the function is used. text: the body if not given.
 *      Only while fn runs. */
#ifndef CONFAB_LUA_TEMPLATE_CALL_H
#define CONFAB_LUA_TEMPLATE_CALL_H

#include <stdbool.h>

#include "confab/template.h"

struct cf_error;

/* The `call` of a template's data; self is a cf_lua_template_source. Raises what the function
 * raises: confab's own errors as they are, others as a script_error with place and traceback. */
bool cf_lua_template_call(void *self, struct cf_value function, struct cf_template_call *call,
                          struct cf_error *err);
#endif
