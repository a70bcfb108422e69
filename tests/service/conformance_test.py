#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A client of the Open Inference Protocol that others wrote (tritonclient) asks a server of ours: health, metadata, and
infer with the binary tensor extension.
    conformance_test.py BUILD MODELS     exit status 77: tritonclient or MNIST is absent"""
import http.client
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time


def skip(sentence):
    print(f"conformance_test: skipped: {sentence}")
    sys.exit(77)


try:
    import numpy
    import tritonclient.http as triton
except (ImportError, RuntimeError) as absent:
    skip(f"no tritonclient[http] for this Python ({absent})")

build, models = (pathlib.Path(a).resolve() for a in sys.argv[1:3])
data = pathlib.Path(os.environ.get("OBSCURA_DATA", models.parent / "data")).resolve()
images = data / "mnist/t10k-images-idx3-ubyte"
if not images.exists():
    skip(f"no MNIST in {data} (obscura data fetch mnist)")


def start(folder):
    """The server on plans/, and its port."""
    server = subprocess.Popen([build / "obscura-server", "serve", folder / "plans", "--port", "0"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    found = re.search(r":(\d+) serves", server.stdout.readline())
    assert found, "the server does not say where it is"
    return server, int(found[1])


def prepare(folder, obscura):
    (folder / "plans").mkdir()
    obscura("compile", models / "mnist-square.onnx", "--batch", "1", "--calibrate", "mnist", "-o", "plans/net.plan",
            "--data", data)
    obscura("offer", "plans/net.plan", "-o", "offer")
    obscura("keygen", "offer", "--secret", "secret", "--eval", "keys")
    obscura("encrypt", "offer", "--secret", "secret", f"{images}:0:1", "-o", "request")


def send_keys(folder, port):
    """The one step that the protocol does not have."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("PUT", "/v2/keys/mine", (folder / "keys").read_bytes())
    assert connection.getresponse().status == 201


def ask(folder, port):
    client = triton.InferenceServerClient(f"127.0.0.1:{port}", network_timeout=120)
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("net") and client.is_model_ready("net", "1")
    assert not client.is_model_ready("absent")
    server = client.get_server_metadata()
    assert "binary_tensor_data" in server["extensions"], server
    model = client.get_model_metadata("net")
    (taken,), (given,) = model["inputs"], model["outputs"]
    assert (taken["datatype"], given["datatype"]) == ("BYTES", "BYTES"), model

    tensor = triton.InferInput(taken["name"], [1], taken["datatype"])
    tensor.set_data_from_numpy(numpy.array([(folder / "request").read_bytes()], dtype=numpy.object_), binary_data=True)
    wanted = triton.InferRequestedOutput(given["name"], binary_data=True)
    result = client.infer("net", [tensor], outputs=[wanted], request_id="7", parameters={"key_id": "mine"})
    assert result.get_response()["id"] == "7", result.get_response()
    assert result.get_response()["model_name"] == "net"
    answer = result.as_numpy(given["name"])
    assert answer.shape == (1,), answer.shape
    (folder / "answer").write_bytes(answer[0])

    for key, model_name in (("absent", "net"), ("mine", "absent")):
        try:
            client.infer(model_name, [tensor], parameters={"key_id": key})
        except triton.InferenceServerException as refused:
            assert refused.status() == "404" and refused.message(), refused
        else:
            raise AssertionError(f"{model_name} under key {key} was not refused")


def main():
    with tempfile.TemporaryDirectory(prefix="obscura-conformance-") as name:
        folder = pathlib.Path(name)

        def obscura(*arguments):
            return subprocess.run([build / "obscura", *arguments], cwd=folder, check=True, capture_output=True,
                                  text=True).stdout

        prepare(folder, obscura)
        server, port = start(folder)
        try:
            send_keys(folder, port)
            ask(folder, port)
        finally:
            server.terminate()
            server.wait(30)
        labels = obscura("decrypt", "offer", "--secret", "secret", "answer", "--request", "request")
        assert labels.startswith("0 7 "), labels
    print("conformance_test: tritonclient was served")


main()
