"""For schemathesis: gives its requests documents, which no schema can make, and looks at problems more closely."""

import base64
import itertools
import json

import schemathesis


# In ASCII, for texts are what schemathesis can tell from what a schema has it make.
SCAN = """%PDF-1.4
1 0 obj
<</Type/Catalog/Pages 2 0 R>>
endobj
2 0 obj
<</Type/Pages/Count 1/Kids[3 0 R]>>
endobj
3 0 obj
<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>
endobj
trailer
<</Root 1 0 R>>
"""
PATTERN = '{"Pages":[]}'
DOCUMENTS = {"image": SCAN, "images": SCAN, "Images": SCAN, "pattern": PATTERN, "omrFile": PATTERN, "MarkupFile": "?text=Name"}


def filled(value, document):
    """Every text becomes the document, unless it is empty; what is no text is what the test is about."""
    if isinstance(value, list):
        return [filled(element, document) for element in value]
    if isinstance(value, dict):
        return {name: filled(element, document) for name, element in value.items()}
    # An empty str may be bytes that schemathesis has in it.
    return document if isinstance(value, str) and (value or getattr(value, "data", b"")) else value


# Tasks of each service, to be asked for and cancelled by what knows no more than how an id looks.
tasks = {"recognize": [], "generate": []}


def in_base64(document):
    return base64.b64encode(document.encode()).decode()


# Nothing else is to be waited for.
WAITS = itertools.cycle(["wait=0", "respond-async, wait=5"])


@schemathesis.hook
def before_call(context, case, kwargs):
    generated = case.meta
    service = case.path.strip("/").removesuffix("/{id}")
    if service not in tasks:
        return
    positive, is_json = generated.generation.mode.is_positive, case.media_type == "application/json"
    # In a form everything is a text: one that is no document in the eyes of the schema may be one on the wire.
    if isinstance(case.body, dict) and (positive or is_json):
        encode = in_base64 if is_json else str
        case.body = {name: filled(value, encode(DOCUMENTS[name])) if name in DOCUMENTS else value
                     for name, value in case.body.items()}
    if generated.phase.name.value == "fuzzing" and "Prefer" in case.headers:
        case.headers["Prefer"] = next(WAITS)
    if positive and tasks[service] and case.path.endswith("/{id}"):
        case.path_parameters["id"] = tasks[service].pop()
    # What was generated to be refused still is to be refused.
    case.freeze_metadata()


@schemathesis.hook
def after_call(context, case, response):
    if not response.content and case.path.startswith("/v{major}") and case.method != "HEAD":
        response.headers["content-type"] = ["application/octet-stream"]  # API Gateway calls all JSON that has no type
    location = response.headers.get("location") or response.headers.get("content-location")
    if case.path.strip("/") in tasks and location:
        tasks[case.path.strip("/")].append(location[0].rsplit("/", 1)[1])


@schemathesis.check
def problems_are_of_the_relay(context, response, case):
    """The stand-in refuses nothing that the relay lets through, so that whatever is refused is so by the relay."""
    if response.status_code < 400 or case.path.startswith("/v{major}") or case.path.endswith("/token") or case.method == "HEAD":
        return
    kind = response.headers.get("content-type", [""])[0]
    assert kind == "application/problem+json", f"a refusal of the type {kind!r}"
    assert json.loads(response.content).keys() >= {"type", "title", "code"}, "a problem without its members"
