# SPDX-License-Identifier: Apache-2.0
"""A server of one's own, and its client."""
import re
import subprocess
import time

import pytest

import obscura
from conftest import pixels


class Service:
    """`obscura-server serve` with TLS and a token, until stop()."""

    def __init__(self, program, plan, folder):
        plan.save(folder / "mnist.plan")
        subprocess.run([program, "init", folder, "--name", "localhost"], check=True, capture_output=True)
        added = subprocess.run([program, "token", "add", folder, "alice"], check=True, capture_output=True, text=True)
        self.token = added.stdout.strip()
        self.ca = folder / "tls" / "certificate.pem"
        self._log = (folder.parent / "server.log").open("w+")
        self._process = subprocess.Popen([program, "serve", folder, "--port", "0"], stdout=self._log, stderr=self._log)
        self.url = self._address()

    def _address(self):
        for _ in range(300):
            self._log.seek(0)
            found = re.search(r"https://[^ ]*:(\d+) serves", self._log.read())
            if found:
                return f"https://localhost:{found.group(1)}"
            time.sleep(0.1)
        raise TimeoutError("the server did not start")

    def stop(self):
        self._process.terminate()
        self._process.wait()
        self._log.close()


@pytest.fixture(scope="module")
def service(server_program, one, tmp_path_factory):
    folder = tmp_path_factory.mktemp("service") / "plans"
    folder.mkdir()
    running = Service(server_program, one, folder)
    yield running
    running.stop()


def connect(service, folder, **options):
    return obscura.RemoteClient(
        service.url, "mnist", folder=folder, **{"token": service.token, "ca": service.ca, **options}
    )


def test_labels_come_through_a_service(service, one, tmp_path):
    images = pixels(2)
    told = set()
    client = connect(service, tmp_path, progress=lambda what, done, total: told.add(what))
    assert client.made_key and client.offer.network == one.network
    answer = client.classify(images, progress=lambda what, done, total: told.add(what))
    exact = one.simulate(images, noise_seed=None)
    assert abs(answer.logits - exact).max() < 0.05 * exact.std()
    assert (answer.labels == answer.logits.argmax(1)).all()
    assert "sending keys" in told or "keys" in told
    again = connect(service, tmp_path)
    assert not again.made_key
    assert again.classify(images).logits.shape == (2, 10)


def test_it_stops_and_refuses(service, tmp_path):
    client = connect(service, tmp_path)
    with pytest.raises(obscura.Cancelled):
        client.classify(pixels(1), progress=lambda *_: False)
    assert client.classify(pixels(1)).logits.shape == (1, 10), "the client is as good as before"
    with pytest.raises(obscura.WrongParams, match="images"):
        client.classify(pixels(1, (1, 3, 3)))
    with pytest.raises(obscura.WrongParams):
        connect(service, tmp_path, token="wrong")
    with pytest.raises(obscura.WrongParams):
        connect(service, tmp_path, ca="")
    with pytest.raises(obscura.Infeasible):
        connect(service, tmp_path / "other", max_key_bytes=10)
    with pytest.raises(obscura.IoError):
        obscura.RemoteClient("http://127.0.0.1:1", "mnist", folder=tmp_path)


def test_a_passphrase_seals_the_secret(service, tmp_path):
    assert connect(service, tmp_path, passphrase="correct horse").made_key
    assert not connect(service, tmp_path, passphrase="correct horse").made_key
    with pytest.raises(obscura.WrongParams):
        connect(service, tmp_path, passphrase="wrong")
