"""The demo flow of aspose-omr-cloud 23.1.0 (v5 API) through a relay: usage sdk_v5.py URL KEY [refused].

Its demo script imports a module of Windows; these are the same calls of the same classes.
"""

import base64
import sys

import aspose_omr_cloud_sdk as sdk

from standin import arrived, same

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n a logo").decode()


def api(url, key, kind):
    configuration = sdk.Configuration(hostUrl=url + "/v5.0/omr", authUrl=url + "/connect/token",
                                      clientId="station 7", clientSecret=key)
    return kind(sdk.ApiClient(configuration=configuration))


def wait(fetch, task):
    states = []
    for _ in range(5):
        answer = fetch(id=task)
        states.append(answer.response_status_code)
        if states[-1] == "Ok":
            break
    same("states", states, ["NotReady", "Ok"])
    same("id and error", (answer.id, answer.error), (task, None))
    return {result.type: base64.b64decode(result.data) for result in answer.results}


def demo(url, key):
    generator, recognizer = api(url, key, sdk.GenerateTemplateApi), api(url, key, sdk.RecognizeTemplateApi)

    settings = sdk.PageSettings(font_size=12, font_family="Segoe UI", font_style="Regular", paper_size="A4",
                                bubble_color="Black", page_margin_left=210, orientation="Vertical",
                                bubble_size="Normal", output_format="Png")
    markup = base64.b64encode("?text=Größe\n".encode()).decode()
    task = generator.post_generate_template(body=sdk.OmrGenerateTask(markup, settings, {"logo.png": PNG}))
    made = wait(generator.get_generate_template, task)
    same("a form and a pattern", sorted(made), ["Omr", "Png"])

    filled, pattern = (base64.b64encode(made[kind]).decode() for kind in ("Png", "Omr"))
    task = recognizer.post_recognize_template(body=sdk.OmrRecognizeTask([filled], pattern, sdk.FileExtension.CSV, 30))
    same("a sample", b"SAMPLE" in wait(recognizer.get_recognize_template, task)["Csv"], True)

    _, status, _ = recognizer.cancel_recognize_template_with_http_info(id=task)
    seen = arrived()
    same("cancel", (status, seen["method"], seen["length"]), (200, "DELETE", len("{}")))
    same("the task", recognizer.get_recognize_template(id=task).response_status_code, "TaskNotFound")

    try:
        recognizer.post_recognize_template(body=sdk.OmrRecognizeTask([], pattern, sdk.FileExtension.CSV, 30))
    except sdk.rest.ApiException as e:
        same("an invalid task", (e.status, b"One or more validation errors" in e.body), (400, True))
    else:
        raise AssertionError("an invalid task was taken")


def refused(url, key):
    calls = arrived()["calls"]
    try:
        api(url, key, sdk.RecognizeTemplateApi).get_recognize_template(id="12345678-1234-4123-8123-123456789abc")
    except sdk.rest.ApiException as e:
        same("refused", e.status in (401, 403), True)
    else:
        raise AssertionError("a wrong key was taken")
    same("calls of the upstream", arrived()["calls"], calls)


if __name__ == "__main__":
    (refused if sys.argv[3:] == ["refused"] else demo)(*sys.argv[1:3])
