"""Reads OpenMetrics text as Prometheus does: `python3 validate.py FILE`.

Prints what it found; exits with 1 when the text is not OpenMetrics. Needs `pip install prometheus_client`.
"""

import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families


def main():
    with open(sys.argv[1], encoding="utf-8", newline="") as file:
        text = file.read()
    try:
        families = list(text_string_to_metric_families(text))
    except ValueError as error:
        print(f"not OpenMetrics: {error}")
        return 1
    seen = set()
    for family in families:
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            if key in seen:
                print(f"twice: {key}")
                return 1
            seen.add(key)
    print(f"{len(families)} metrics, {len(seen)} samples")
    return 0


if __name__ == "__main__":
    sys.exit(main())
