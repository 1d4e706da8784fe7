#!/usr/bin/env python3
"""helm template CHART RELEASE NAMESPACE [VALUES as JSON]: Helm's own library, by PyPI's helm-python-sdk."""
import json
import sys

from helm_python import Config

chart, release, namespace = sys.argv[1:4]
values = json.loads(sys.argv[4]) if len(sys.argv) > 4 else None
print(Config(namespace=namespace).install(chart, release, values, namespace=namespace, dry_run="client")["manifest"])
