"""`python fuzz.py URL KEY EXAMPLES`: schemathesis over the document of a running server.

Runs in the clients' environment and imports nothing of the server. Prints as JSON the statuses that each
operation answered, and what did not fit.
"""

import json
import sys
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

CHECKS = (not_a_server_error, response_schema_conformance, content_type_conformance)
PERSONAS = ("plain", "clerk", "native", "librarian")
KNOWN = {"model": "plain", "name": "coach"}
HELLO = [{"role": "user", "content": "Hi"}]


def meant(case: Any, number: int) -> None:
    """Turn most of what was made up into what there is, so that the fuzz gets past 404 and the first 400."""
    if number % 2:
        case.path_parameters.update({k: v for k, v in KNOWN.items() if k in (case.path_parameters or {})})
    if not isinstance(case.body, dict) or "model" not in case.body or number % 4 == 0:
        return
    if case.operation.path == "/v1/embeddings":
        case.body["model"] = "all-MiniLM-L6-v2"
    else:
        key = sorted(case.body)[number % len(case.body)]
        case.body = {"model": PERSONAS[number % len(PERSONAS)], "messages": HELLO} | {key: case.body[key]}


def fuzz(operation: Any, url: str, headers: dict[str, str], examples: int) -> set[int]:
    """Send an operation's requests, the same ones each time; return the statuses."""
    statuses: set[int] = set()
    sent = 0

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy())
    def run(case: Any) -> None:
        nonlocal sent
        sent += 1
        meant(case, sent)
        response = case.call(base_url=url, headers=headers)
        case.validate_response(response, checks=CHECKS)
        statuses.add(response.status_code)

    run()
    return statuses


def main(url: str, key: str, examples: int) -> dict[str, Any]:
    """Fuzz every operation of the document."""
    headers = {"authorization": f"Bearer {key}"}
    document = requests.get(f"{url}/openapi.json", headers=headers, timeout=30).json()
    statuses, failures = {}, {}
    for result in schemathesis.openapi.from_dict(document).get_all_operations():
        operation = result.ok()
        try:
            statuses[operation.label] = sorted(fuzz(operation, url, headers, examples))
        except Exception as failure:
            failures[operation.label] = repr(getattr(failure, "exceptions", failure))
    return {"statuses": statuses, "failures": failures}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1], sys.argv[2], int(sys.argv[3]))) + "\n")
