"""The OpenAPI document of the panel's API."""

import pytest
from starlette.testclient import TestClient

from app.panel.pages.openapi import ALWAYS, DEPLOYMENTS

pytestmark = pytest.mark.process
PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def test_each_route_names_the_problems_it_may_answer(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    assert document["security"] == [{"token": []}]
    assert set(DEPLOYMENTS) <= set(document["paths"])
    assert not {"HTTPValidationError", "ValidationError"} & set(document["components"]["schemas"])
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            responses = operation["responses"]
            expected = (
                set(ALWAYS) | ({"404"} if "{" in path else set()) | ({"409", "507"} if method != "get" else set())
            )
            assert expected <= set(responses), (path, method)
            problems = {code: answer for code, answer in responses.items() if code >= "400"}
            assert all(
                answer["content"] == PROBLEM for code, answer in problems.items() if path != "/readyz" or code != "503"
            )


def test_problem_has_the_members_that_the_document_names(client: TestClient) -> None:
    schema = client.get("/openapi.json").json()["components"]["schemas"]["Problem"]
    assert set(client.get("/api/v1/runs/none").json()) == set(schema["required"])
