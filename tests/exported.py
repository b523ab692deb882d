"""Which metrics there are, with their labels: what dashboards and alerts may ask for."""

import re

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.test_metrics import filled

_OF_PROMETHEUS = {"ALERTS", "ALERTS_FOR_STATE", "up"}
_ADDED = {"instance", "job"}  # to every series, by the server that scrapes it


def registered() -> dict[str, set[str]]:
    """Return the labels of every metric that pipeline/metrics.py has, by its name."""
    names: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(generate_latest(filled().registry).decode()):
        for sample in family.samples:
            names.setdefault(sample.name, set()).update(sample.labels)
    return names


def asked(query: str) -> dict[str, set[str]]:
    """Return what a query asks for, metrics and the labels that it selects by; those of Prometheus itself left out.

    A metric is known by its prefix, or by its braces where it has none of ours: a misspelt name is one too.
    """
    text = re.sub(r"\b(?:by|on|ignoring|group_left) \([^)]*\)", "", query)
    found: dict[str, set[str]] = {}
    for name, labels in re.findall(r"\b((?:wayside|process)_\w+|[A-Za-z_]\w*(?=\{))(?:\{([^}]*)\})?", text):
        found.setdefault(name, set()).update(re.findall(r"(\w+)\s*(?:=|!)", labels))
    return {name: labels - _ADDED for name, labels in found.items() if name not in _OF_PROMETHEUS}


def unknown(query: str) -> list[str]:
    """Return what a query asks for and no run exports, as `metric` or `metric{label}`."""
    known = registered()
    return [
        f"{name}{{{', '.join(sorted(labels - known[name]))}}}" if name in known else name
        for name, labels in asked(query).items()
        if name not in known or not labels <= known[name]
    ]
