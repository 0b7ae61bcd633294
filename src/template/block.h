/* block.h - what is particular to blocks: {{$x}}. */
#ifndef CONFAB_TEMPLATE_BLOCK_H
#define CONFAB_TEMPLATE_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct cf_error;
struct cf_template;
struct cf_template_unit;

/* Takes the white space that the lines of a block's content (from `content` to `end` in the text)
 * have in common out of its nodes, which are the last ones, and makes it the block's indent: the
 * content is put back with it, or given to a block with another one. A block without lines keeps
 * the white space before its tag as its indent. */
void cf_block_dedent(struct cf_template_unit *unit, uint32_t block, uint32_t content, uint32_t end);

/* Checks that there is a block for each one that is given to a parent. A parent's own blocks and
 * those of other partials are not told apart, for it may use them. */
bool cf_block_check_names(const struct cf_template *tmpl, struct cf_error *err);
#endif
