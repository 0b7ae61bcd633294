#include "engine/report_plot.h"

#include <math.h>

#include "confab/buf.h"
#include "engine/report_text.h"

/* In the units of the drawing, of which ten are a pixel: so whole numbers do, in every locale. */
#define WIDTH       4800
#define HEIGHT      2200
#define TOP         180
#define BOTTOM      260
#define RIGHT       140
#define FLOOR       (HEIGHT - BOTTOM)
#define RISE        (FLOOR - TOP)
#define BAR_MAX     560
#define GAP         30
#define ROUND       30
#define LABEL_WIDTH 460 /* what a label under the axis takes */
#define LEFT        440
#define LEFT_MONEY  680
#define Y_TICKS     5
#define X_TICKS     5

static void open_svg(struct cf_buf *out)
{
    cf_buf_addf(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", WIDTH, HEIGHT);
}

/* The least of 1, 2, 5, 10, ... of which so many reach the number. */
static int64_t step_to(int64_t number, int ticks)
{
    static const int64_t steps[] = { 1, 2, 5 };
    for (int64_t tens = 1; tens <= INT64_MAX / 100; tens *= 10)
        for (size_t i = 0; i < 3; i++)
            if (tens * steps[i] >= (number + ticks - 1) / ticks)
                return tens * steps[i];
    return INT64_MAX / ticks;
}

static void add_value(struct cf_buf *out, int64_t value, bool is_money)
{
    if (is_money)
        cf_report_money(out, value);
    else
        cf_report_count(out, value);
}

struct scale {
    int64_t top; /* the value at the top of the drawing; at least 1 */
    int left;    /* where the drawing begins */
};

/* part of whole, scaled to room */
static int scaled(int64_t part, int64_t whole, int room)
{
    return (int)lround((double)part / (double)whole * room);
}

/* Lines across, with their values before them. */
static struct scale add_y_axis(struct cf_buf *out, int64_t most, bool is_money)
{
    int64_t step = step_to(most > 0 ? most : 1, Y_TICKS);
    struct scale scale = { .left = is_money ? LEFT_MONEY : LEFT };
    scale.top = most > step ? (most + step - 1) / step * step : step;
    for (int64_t value = 0; value <= scale.top; value += step) {
        int y = FLOOR - scaled(value, scale.top, RISE);
        cf_buf_addf(out, "<path class=\"%s\" d=\"M%d %dH%d\"/>", value == 0 ? "axis" : "grid",
                    scale.left, y, WIDTH - RIGHT);
        cf_buf_addf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">", scale.left - 70, y + 40);
        add_value(out, value, is_money);
        cf_buf_adds(out, "</text>");
    }
    return scale;
}

static void add_x_label(struct cf_buf *out, int x, const char *label)
{
    cf_buf_addf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">", x, HEIGHT - 80);
    cf_report_str(out, label);
    cf_buf_adds(out, "</text>");
}

/* --- bars --- */

static void add_bar(struct cf_buf *out, const struct cf_plot_bar *bar, int x, int width, int height)
{
    int r = height < ROUND ? height : ROUND;
    cf_buf_addf(out, "<path class=\"%s\" d=\"M%d %dv-%dq0 -%d %d -%dh%dq%d 0 %d %dv%dz\"/>",
                bar->fill, x, FLOOR, height - r, r, r, r, width - 2 * r, r, r, r, height - r);
    cf_buf_addf(out, "<text class=\"value\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">",
                x + width / 2, FLOOR - height - 50);
    cf_report_count(out, bar->count);
    cf_buf_adds(out, "</text>");
}

void cf_plot_bars(struct cf_buf *out, const char *title, const struct cf_plot_bar *bars,
                  size_t count, const char *end)
{
    int64_t most = 0;
    open_svg(out);
    cf_buf_adds(out, title);
    for (size_t i = 0; i < count; i++) {
        cf_buf_adds(out, i == 0 ? ": " : ", ");
        cf_report_str(out, bars[i].label);
        cf_buf_addf(out, "%s %lld", end != NULL ? " and more:" : ":", (long long)bars[i].count);
        if (bars[i].count > most)
            most = bars[i].count;
    }
    cf_buf_adds(out, "\">");
    struct scale scale = add_y_axis(out, most, false);

    int bar_count = count > 0 ? (int)count : 1;
    int room = WIDTH - RIGHT - scale.left, slot = room / bar_count;
    if (slot > BAR_MAX + GAP)
        slot = BAR_MAX + GAP;
    int left = scale.left + (room - slot * bar_count) / 2;
    size_t every = end == NULL ? 1 : (size_t)(LABEL_WIDTH / slot + 1);
    for (size_t i = 0; i < count; i++) {
        int x = left + slot * (int)i;
        if (bars[i].count > 0)
            add_bar(out, &bars[i], x + GAP / 2, slot - GAP, scaled(bars[i].count, scale.top, RISE));
        if (i % every == 0)
            add_x_label(out, end == NULL ? x + slot / 2 : x, bars[i].label);
    }
    if (end != NULL && count % every == 0)
        add_x_label(out, left + slot * bar_count, end);
    cf_buf_adds(out, "</svg>\n");
}

/* --- over time --- */

struct unit {
    int64_t ms;
    const char *name;
};

/* The distance of ticks: the least of which no more than X_TICKS fit; its unit. */
static int64_t time_step(int64_t span_ms, struct unit *out)
{
    static const struct unit units[] = { { 1, "ms" },      { 1000, "s" },     { 60000, "min" },
                                         { 3600000, "h" }, { 86400000, "d" }, { 0, NULL } };
    static const int64_t of_thousand[] = { 1, 2, 5, 10, 20, 50, 100, 200, 500, 0 };
    static const int64_t of_sixty[] = { 1, 2, 5, 10, 15, 30, 0 };
    static const int64_t of_day[] = { 1, 2, 3, 6, 12, 0 };
    static const int64_t *const steps[] = { of_thousand, of_sixty, of_sixty, of_day };
    for (size_t i = 0; i < 4; i++)
        for (const int64_t *step = steps[i]; *step != 0; step++)
            if (span_ms / (units[i].ms * *step) <= X_TICKS) {
                *out = units[i];
                return units[i].ms * *step;
            }
    *out = units[4];
    return units[4].ms * step_to(span_ms / units[4].ms, X_TICKS);
}

static void add_time_axis(struct cf_buf *out, int left, int64_t span_ms)
{
    struct unit unit;
    int64_t step = time_step(span_ms, &unit);
    struct cf_buf label = { .max = CF_PLOT_LABEL_MAX };
    for (int64_t at = 0; at <= span_ms; at += step) {
        int x = left + scaled(at, span_ms, WIDTH - RIGHT - left);
        cf_buf_clear(&label);
        cf_buf_addf(&label, at == 0 ? "%lld" : "%lld %s", (long long)(at / unit.ms), unit.name);
        cf_buf_addf(out, "<path class=\"axis\" d=\"M%d %dv40\"/>", x, FLOOR);
        add_x_label(out, x, cf_buf_str(&label));
    }
    cf_buf_done(&label);
}

/* The upper edge of the first `bands` bands. */
static int64_t top_of(const struct cf_plot_band *bands, size_t count, size_t point)
{
    int64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += bands[i].values[point];
    return sum;
}

void cf_plot_bands(struct cf_buf *out, const char *title, const int64_t *ms, size_t count,
                   const struct cf_plot_band *bands, size_t band_count, bool is_money)
{
    int64_t span = ms[count - 1] > 0 ? ms[count - 1] : 1;
    open_svg(out);
    cf_buf_adds(out, title);
    for (size_t i = 0; i < band_count; i++) {
        cf_buf_addf(out, "%s %s ", i == 0 ? ":" : ",", bands[i].name);
        add_value(out, bands[i].values[count - 1], is_money);
    }
    cf_buf_adds(out, " at the end\">");
    struct scale scale = add_y_axis(out, top_of(bands, band_count, count - 1), is_money);
    int room = WIDTH - RIGHT - scale.left;

    /* From the highest down, each drawn over the one before. */
    for (size_t band = band_count; band-- > 0;) {
        struct cf_buf line = { .max = 64 * 1024 };
        for (size_t i = 0; i < count; i++)
            cf_buf_addf(&line, "%s%d %d", i == 0 ? "M" : "L",
                        scale.left + scaled(ms[i], span, room),
                        FLOOR - scaled(top_of(bands, band + 1, i), scale.top, RISE));
        cf_buf_addf(out, "<path class=\"%s\" d=\"%sL%d %dL%d %dz\"/>", bands[band].fill,
                    cf_buf_str(&line), scale.left + room, FLOOR, scale.left, FLOOR);
        if (bands[band].stroke != NULL)
            cf_buf_addf(out, "<path class=\"%s\" d=\"%s\"/>", bands[band].stroke,
                        cf_buf_str(&line));
        cf_buf_done(&line);
    }
    add_time_axis(out, scale.left, span);
    cf_buf_adds(out, "</svg>\n");
}
