/* report_plot.h - the plots of a report: SVG whose colours are classes of its style.
 *
 * Drawn for a column half as wide as the page; an image scales. What can be read off a plot is also
 * told in its label. */
#ifndef CONFAB_ENGINE_REPORT_PLOT_H
#define CONFAB_ENGINE_REPORT_PLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_buf;

#define CF_PLOT_LABEL_MAX 24

struct cf_plot_bar {
    char label[CF_PLOT_LABEL_MAX]; /* of the bar, or of where it begins */
    int64_t count;
    const char *fill; /* class */
};

/* A bar for each; `end` is where the last one ends if labels stand at beginnings, else NULL.
 * title: our own words, without markup. */
void cf_plot_bars(struct cf_buf *out, const char *title, const struct cf_plot_bar *bars,
                  size_t count, const char *end);

/* One band of a plot over time, from the top of the one before it. */
struct cf_plot_band {
    const char *name, *fill, *stroke; /* for the label; classes, stroke NULL: none */
    const int64_t *values;            /* one a point; borrowed */
};

/* Bands on one another over ms since the beginning; count at least 2. is_money: values are
 * pico-dollars. */
void cf_plot_bands(struct cf_buf *out, const char *title, const int64_t *ms, size_t count,
                   const struct cf_plot_band *bands, size_t band_count, bool is_money);
#endif
