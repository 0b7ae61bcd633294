"""A strict reader of Prometheus' text format 0.0.4: what a scraper lets pass is an error here, too."""
import math
import re

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"')
TYPES = {"counter", "gauge", "histogram", "summary", "untyped"}
NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?|Inf)|NaN")


class Metric:
    def __init__(self, name, help_text):
        self.name, self.help, self.type = name, help_text, None
        self.samples = {}    # (name of the series, its labels in order of name) -> value


def unescape(text):
    return re.sub(r"\\(.)", lambda match: "\n" if match.group(1) == "n" else match.group(1), text)


def labels_of(text):
    """The labels between the braces, whole: name="value", separated by single commas."""
    labels, at = {}, 0
    while at < len(text):
        match = LABEL.match(text, at)
        assert match, f"no label at {text[at:]!r}"
        name, at = match.group(1), match.end()
        assert name not in labels and not name.startswith("__"), name
        labels[name] = unescape(match.group(2))
        if at < len(text):
            assert text[at] == "," and at + 1 < len(text), text
            at += 1
    return labels


def sample_of(line):
    name = NAME.match(line).group()
    rest, labels = line[len(name):], {}
    if rest.startswith("{"):
        # a brace may stand in a value: the labels end behind the last quote
        end = rest.rindex('"') + 1
        assert rest[end] == "}", line
        labels, rest = labels_of(rest[1:end]), rest[end + 1:]
        assert labels, f"empty braces: {line}"
    assert rest.startswith(" ") and NUMBER.fullmatch(rest[1:]), line
    return name, labels, float(rest[1:])


def series_names(metric):
    if metric.type == "histogram":
        return {metric.name + end for end in ("_bucket", "_sum", "_count")}
    return {metric.name}


def check_histogram(metric):
    groups = {}
    for (name, labels), value in metric.samples.items():
        others = tuple(pair for pair in labels if pair[0] != "le")
        group = groups.setdefault(others, {"buckets": [], "sum": None, "count": None})
        end = name[len(metric.name) + 1:]
        if end == "bucket":
            group["buckets"].append((float(dict(labels)["le"]), value))
        else:
            assert group[end] is None
            group[end] = value
    for labels, group in groups.items():
        bounds = [bound for bound, _ in group["buckets"]]
        counts = [count for _, count in group["buckets"]]
        assert bounds == sorted(set(bounds)) and bounds[-1] == math.inf, (metric.name, labels)
        assert counts == sorted(counts), f"not cumulative: {metric.name} {labels}"
        assert group["count"] == counts[-1] and group["sum"] >= 0


def check_metric(metric):
    assert metric.type, f"no TYPE of {metric.name}"
    if metric.type == "counter":
        assert metric.name.endswith("_total"), f"a counter without _total: {metric.name}"
        assert all(value >= 0 for value in metric.samples.values())
    if metric.type == "histogram":
        check_histogram(metric)
    sets = {tuple(name for name, _ in labels if name != "le") for _, labels in metric.samples}
    assert len(sets) <= 1, f"{metric.name} with several sets of labels: {sets}"


def parse(text):
    """{name: Metric}: each with HELP and TYPE before its samples, which stand together and are all different."""
    metrics, current = {}, None
    assert text.endswith("\n") and "\r" not in text
    for line in text[:-1].split("\n"):
        assert line, "an empty line"
        if line.startswith("# HELP "):
            name, _, help_text = line[7:].partition(" ")
            assert NAME.fullmatch(name) and help_text.strip() == help_text != "", line
            assert name not in metrics, f"{name} stands in two places"
            current = metrics[name] = Metric(name, unescape(help_text))
        elif line.startswith("# TYPE "):
            name, _, kind = line[7:].partition(" ")
            assert name == current.name and kind in TYPES and current.type is None and not current.samples, line
            current.type = kind
        else:
            assert not line.startswith("#"), line
            name, labels, value = sample_of(line)
            assert name in series_names(current), f"{name} among those of {current.name}"
            key = name, tuple(sorted(labels.items()))
            assert key not in current.samples, f"twice: {line}"
            current.samples[key] = value
    for metric in metrics.values():
        check_metric(metric)
    return metrics


def value_of(metrics, name, series=None, **labels):
    """The value of one series; labels whose name is a word of Python may end in an underscore."""
    wanted = tuple(sorted((label.rstrip("_"), value) for label, value in labels.items()))
    return metrics[name].samples[series or name, wanted]
