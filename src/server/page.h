/* page.h - the page of `confab serve`: GET / and the files that it is made of, GET /page/NAME.
 *
 * The files of src/server/page/ are compiled in (cmake/page.cmake) and found by their exact name in
 * a table: no path leads to the disk. They hold no data and are answered without the token; what
 * they show comes from /api. Browsers keep them and ask each time whether they are still right. */
#ifndef CONFAB_SERVER_PAGE_H
#define CONFAB_SERVER_PAGE_H

#include <stddef.h>

struct cf_http_exchange;
struct cf_server;

struct cf_page_asset {
    const char *name;       /* "app.js" */
    const char *type;       /* media type, without the charset: all are UTF-8 */
    const char *etag;       /* of the content, in its quotes */
    const char *content;    /* followed by a NUL that is not counted */
    size_t      size;       /* bytes */
};

/* Sorted by name; a row of NULLs ends it. */
extern const struct cf_page_asset cf_page_assets[];

void cf_page_index(struct cf_http_exchange *exchange, struct cf_server *server);
void cf_page_asset(struct cf_http_exchange *exchange, struct cf_server *server);
#endif
