/* report_style.h - the look of a report: the style sheet that stands in it. */
#ifndef CONFAB_ENGINE_REPORT_STYLE_H
#define CONFAB_ENGINE_REPORT_STYLE_H

extern const char cf_report_style[];

#endif
