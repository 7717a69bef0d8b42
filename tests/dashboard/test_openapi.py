"""The description of the API: complete, true, and of nothing elsewhere."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from dashboard.app import create_dashboard
from tests.dashboard import made
from tests.dashboard.conftest import Asked
from tests.services.server import settings_for

PATHS = (
    "/api/alerts",
    "/api/download",
    "/api/health",
    "/api/kpis",
    "/api/loads",
    "/api/loads/jobs",
    "/api/loads/jobs/{job}",
    "/api/ready",
    "/api/rejects",
    "/api/rigs",
    "/api/statistics",
    "/api/summary",
    "/api/trends",
    "/metrics",
)
# What writes, beside what is asked at the same address.
WRITING = {"/api/loads": ["get", "post"]}
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
)


@pytest.fixture(scope="module")
def document(house: Asked) -> Any:
    return house.json("/openapi.json")


def test_the_document_is_what_the_application_says(
    document: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    database = tmp_path_factory.mktemp("described") / "readings.db"
    app = create_dashboard(settings_for(database))
    assert app.openapi() == document
    app.state.context.store.close()


def test_every_endpoint_is_described(document: Any) -> None:
    assert document["info"]["title"] == "Smart Sensor Dashboard"
    assert tuple(sorted(document["paths"])) == PATHS
    for path, operations in document["paths"].items():
        assert list(operations) == WRITING.get(path, ["get"]), path
        for operation in operations.values():
            assert operation["summary"], path
            assert operation["description"], path


def parameters(document: Any) -> Iterator[tuple[str, Any]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for parameter in operation.get("parameters", []):
                yield f"{method} {path} {parameter['name']}", parameter


def test_every_parameter_has_a_description(document: Any) -> None:
    found = dict(parameters(document))
    assert "get /api/trends points" in found
    without = [name for name, parameter in found.items() if not parameter.get("description")]
    assert without == []


def test_every_field_has_an_example(document: Any) -> None:
    """By itself, or, where it is a model, in the fields of that."""
    schemas = document["components"]["schemas"]
    answered = set(re.findall(r"schemas/(\w+)", str(document["paths"])))
    without = []
    reached = set()
    while answered - reached:
        name = (answered - reached).pop()
        reached.add(name)
        answered |= set(re.findall(r"schemas/(\w+)", str(schemas[name])))
        for field, described in schemas[name]["properties"].items():
            if not described.get("examples") and "$ref" not in str(described):
                without.append(f"{name}.{field}")
    assert {"KpisModel", "Trends", "ChannelKpis", "Gap", "Problem"} <= reached
    assert without == []


def test_every_problem_that_may_come_is_described(document: Any) -> None:
    for path in PATHS:
        responses = document["paths"][path]["get"]["responses"]
        # Without a database there are still figures of the process.
        assert {"200", *(["503"] if path != "/metrics" else [])} <= set(responses), path
        assert "422" not in responses, path
        for status in set(responses) - {"200"}:
            content = responses[status]["content"]
            if (path, status) not in (("/api/health", "503"), ("/api/ready", "503")):
                assert list(content) == ["application/problem+json"], (path, status)


def test_examples_fit_their_own_schema(document: Any) -> None:
    """An example of the wrong type would teach everybody the wrong thing."""
    kinds: dict[str, type | tuple[type, ...]] = {
        "string": str,
        "integer": int,
        "number": (int, float),
        "boolean": bool,
        "array": list,
        "object": dict,
        "null": type(None),
    }
    for name, schema in document["components"]["schemas"].items():
        for field, described in schema.get("properties", {}).items():
            options = described.get("anyOf", [described])
            allowed = tuple(kinds[option["type"]] for option in options if "type" in option)
            for example in described.get("examples", []):
                assert isinstance(example, allowed), f"{name}.{field}"


@pytest.mark.parametrize("path", ["/openapi.json", "/dashboard"])
def test_no_other_host_is_named(house: Asked, path: str) -> None:
    text = house.get(path).text
    hosts = set(re.findall(r"(?:https?:)?//([a-z0-9.-]+\.[a-z]{2,})", text, re.IGNORECASE))
    # A name, not an address: what SVG elements in a script belong to.
    assert hosts - {"www.w3.org"} == set()


def test_no_static_file_asks_another_host(house: Asked) -> None:
    """Of our own files: what the libraries name in comments is looked at in the browser."""
    page = house.get("/dashboard").text
    for path in re.findall(r'(?:src|href)="(/static/[^"]+)"', page):
        response = house.get(path)
        assert response.status_code == 200, path
        if "/vendor/" not in path:
            assert set(re.findall(r"https?://[^\s\"')]+", response.text)) <= {
                "http://www.w3.org/2000/svg"
            }, path


RIGS = (None, "rig-1", "shaker-7", "static-fire", made.NASTY_NAMES[0])


@pytest.mark.parametrize("path", PATHS)
def test_any_question_has_an_answer_that_conforms(house: Asked, document: Any, path: str) -> None:
    """Whatever is asked: no error of the server, and what is described is what comes."""
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=house.server.url)

    @given(case=schema[path]["GET"].as_strategy(), rig=st.sampled_from(RIGS))
    @settings(
        max_examples=40,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: schemathesis.Case, rig: str | None) -> None:
        # Most made-up names are of no rig, and would never get further than that.
        if rig is not None and "rig" in case.query:
            case.query["rig"] = rig
        case.call_and_validate(checks=list(CHECKS))

    ask()
