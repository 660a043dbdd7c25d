"""Validates an OpenAPI 3.1 document: `python3 validate.py FILE`.

Prints each error with its place; exits with 1 when there is one. Needs `pip install openapi-spec-validator`.
"""

import json
import sys

from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing.exceptions import Unresolvable


def errors_of(document):
    try:
        for error in OpenAPIV31SpecValidator(document).iter_errors():
            yield error.json_path, error.message
    except Unresolvable as error:
        yield "$", f"the reference `{error.ref}` points to nothing"
    # The meta-schema of OpenAPI leaves schemas alone.
    metaschema = Draft202012Validator(Draft202012Validator.META_SCHEMA)
    for name, schema in document.get("components", {}).get("schemas", {}).items():
        for error in metaschema.iter_errors(schema):
            yield f"$.components.schemas['{name}']{error.json_path[1:]}", error.message


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        document = json.load(file)
    found = list(errors_of(document))
    for place, message in found:
        print(f"{place}: {message}")
    schemas = document.get("components", {}).get("schemas", {})
    print(f"{len(document.get('paths', {}))} paths, {len(schemas)} schemas, {len(found)} errors")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
