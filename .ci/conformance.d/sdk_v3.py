"""The demo flow of aspose-omr-cloud 20.10 (v3 API) through a relay: usage sdk_v3.py URL KEY DIRECTORY [refused].

The demo script reads its configuration from files above its directory; these are the same calls of the
same classes. The SDK writes ../debug.log.
"""

import base64
import json
import os
import sys

from asposeomrcloud.apis.omr_api import OmrApi
from asposeomrcloud.apis.storage_api import StorageApi
from asposeomrcloud.configuration import Configuration
from asposeomrcloud.models import OmrFunctionParam
from asposeomrcloud.rest import ApiException

from standin import arrived, same

# A scan is no UTF-8.
SCAN = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(range(256)) * 8


def apis(url, key):
    configuration = Configuration(apiKey=key, appSid="station 7", basePath=url + "/v3.0", authPath=url + "/connect/token")
    return OmrApi(configuration), StorageApi(configuration)


def demo(url, key):
    omr, storage = apis(url, key)

    def upload(name, data):
        with open(name, "wb") as f:
            f.write(data)
        same("uploaded", storage.upload_file(name, name).uploaded, [os.path.basename(name)])

    def run(name, action, parameter):
        answer = omr.post_run_omr_task(name, action, OmrFunctionParam(function_param=parameter, additional_param=""))
        same(action, (answer.error_code, answer.payload.result.info.details.task_result), (0, "Pass"))
        return answer.payload.result

    same("folder before", storage.object_exists(path="Logos").exists, False)
    storage.create_folder(path="Logos")
    os.makedirs("Logos")
    upload("Logos/logo größe.png", SCAN)
    found = storage.object_exists(path="Logos/logo größe.png")
    same("logo", (found.exists, found.is_folder), (True, False))

    upload("Aspose_test.txt", "?text=Größe\n".encode())
    made = run("Aspose_test.txt", "GenerateTemplate", json.dumps({"ExtraStoragePath": "Logos"}))
    files = {f.name: base64.b64decode(f.data) for f in made.response_files}
    same("a form and a pattern", sorted(files), ["Aspose_test.omr", "Aspose_test.png"])

    upload("Aspose_test.png", files["Aspose_test.png"])
    pattern = json.dumps({"Files": [{"Name": "Aspose_test.omr", "Data": base64.b64encode(files["Aspose_test.omr"]).decode()}]})
    corrected = run("Aspose_test.png", "CorrectTemplate", pattern)
    upload("Aspose_test.omrcr", base64.b64decode(corrected.response_files[0].data))
    run("Aspose_test.omrcr", "FinalizeTemplate", corrected.template_id)

    upload("scan.jpg", SCAN)
    result = run("scan.jpg", "RecognizeImage", corrected.template_id)
    same("a sample", b"SAMPLE" in base64.b64decode(result.response_files[0].data), True)

    storage.delete_file(path="scan.jpg")
    same("scan after", storage.object_exists(path="scan.jpg").exists, False)
    storage.delete_folder(path="Logos", recursive=True)


def refused(url, key):
    omr, storage = apis(url, key)
    calls = arrived()["calls"]
    for call in (lambda: omr.post_run_omr_task("scan.jpg", "RecognizeImage", OmrFunctionParam("{}", "")),
                 lambda: storage.object_exists(path="Logos")):
        try:
            call()
        except ApiException as e:
            same("refused", e.status in (401, 403), True)
        else:
            raise AssertionError("a wrong key was taken")
    same("calls of the upstream", arrived()["calls"], calls)


if __name__ == "__main__":
    os.makedirs(sys.argv[3] + "/demo")
    os.chdir(sys.argv[3] + "/demo")
    (refused if sys.argv[4:] == ["refused"] else demo)(*sys.argv[1:3])
