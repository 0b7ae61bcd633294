/* metrics_text.h - Prometheus' text format (version 0.0.4): comments and samples, escaped. */
#ifndef CONFAB_SERVER_METRICS_TEXT_H
#define CONFAB_SERVER_METRICS_TEXT_H

struct cf_buf;

struct cf_metric_label {
    const char *name, *value;
};

/* Labels of a sample: CF_METRIC_LABELS({ "lane", name }, { "state", "open" }) */
#define CF_METRIC_LABELS(...) (const struct cf_metric_label[]){ __VA_ARGS__, { 0 } }

/* What the samples that follow are. The names of all metrics get "confab_" in front; type:
 * "counter", "gauge", "histogram". */
void cf_metric_head(struct cf_buf *out, const char *name, const char *type, const char *help);

/* A sample; labels NULL: it has none. */
void cf_metric_add(struct cf_buf *out, const char *name, const struct cf_metric_label *labels,
                   double value);

/* A metric that is one sample without labels. */
void cf_metric_single(struct cf_buf *out, const char *name, const char *type, const char *help,
                      double value);
#endif
