#include "server/metrics_text.h"

#include <stddef.h>

#include "confab/buf.h"

void cf_metric_head(struct cf_buf *out, const char *name, const char *type, const char *help)
{
    cf_buf_addf(out, "# HELP confab_%s %s\n# TYPE confab_%s %s\n", name, help, name, type);
}

static void add_label(struct cf_buf *out, const struct cf_metric_label *label, char before)
{
    cf_buf_addf(out, "%c%s=\"", before, label->name);
    for (const char *at = label->value != NULL ? label->value : ""; *at != '\0'; at++) {
        if (*at == '\n') {
            cf_buf_adds(out, "\\n");
            continue;
        }
        if (*at == '\\' || *at == '"')
            cf_buf_addc(out, '\\');
        cf_buf_addc(out, *at);
    }
    cf_buf_addc(out, '"');
}

void cf_metric_add(struct cf_buf *out, const char *name, const struct cf_metric_label *labels,
                   double value)
{
    cf_buf_addf(out, "confab_%s", name);
    for (size_t i = 0; labels != NULL && labels[i].name != NULL; i++)
        add_label(out, &labels[i], i == 0 ? '{' : ',');
    cf_buf_addf(out, labels != NULL ? "} %.15g\n" : " %.15g\n", value);
}

void cf_metric_single(struct cf_buf *out, const char *name, const char *type, const char *help,
                      double value)
{
    cf_metric_head(out, name, type, help);
    cf_metric_add(out, name, NULL, value);
}
