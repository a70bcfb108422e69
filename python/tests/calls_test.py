# SPDX-License-Identifier: Apache-2.0
"""Long calls: other threads go on meanwhile, progress is told, and they can be stopped."""
import os
import signal
import threading
import time

import numpy
import pytest

import obscura
from conftest import pixels


@pytest.fixture(scope="module")
def encrypted(batch_pair):
    """Work of a second or more for the server."""
    return batch_pair.client.encrypt(pixels(3 * batch_pair.plan.images_at_once))


def test_other_threads_go_on_while_the_server_runs(batch_pair, encrypted):
    ticks = []
    stop = threading.Event()

    def tick():
        while not stop.wait(0.005):
            ticks.append(time.monotonic())

    thread = threading.Thread(target=tick)
    thread.start()
    begin = time.monotonic()
    batch_pair.server.run(batch_pair.keys, encrypted)
    end = time.monotonic()
    stop.set()
    thread.join()
    during = [t for t in ticks if begin < t < end]
    # Held all the while there would be one or none; cores that compute leave it some of the 200 a second.
    assert len(during) > 5


def test_progress_is_told_on_the_callers_thread(batch_pair, encrypted):
    told = []

    def progress(what, done, total):
        told.append((what, done, total, threading.get_ident()))

    batch_pair.client.decrypt(batch_pair.server.run(batch_pair.keys, encrypted, progress=progress), progress)
    assert {ident for *_, ident in told} == {threading.get_ident()}
    runs = [(done, total) for what, done, total, _ in told if what == "run"]
    assert runs == sorted(runs) and runs[-1][0] > 0.9 * runs[-1][1]
    assert {what for what, *_ in told} == {"run", "decrypt"}


def test_progress_stops_by_false_and_by_what_it_raises(network, batch_pair, encrypted):
    with pytest.raises(obscura.Cancelled) as cancelled:
        batch_pair.server.run(batch_pair.keys, encrypted, progress=lambda *_: False)
    assert cancelled.value.code == "cancelled"

    def fails(what, done, total):
        raise ZeroDivisionError(what)

    with pytest.raises(ZeroDivisionError, match="run"):
        batch_pair.server.run(batch_pair.keys, encrypted, progress=fails)
    with pytest.raises(ZeroDivisionError):
        network.compile(batch=1, progress=fails)
    with pytest.raises(ZeroDivisionError, match="simulate"):
        batch_pair.plan.simulate(pixels(5000), progress=fails)
    with pytest.raises(ZeroDivisionError, match="encrypt"):
        batch_pair.client.encrypt(pixels(1), progress=fails)


def test_keyboard_interrupt_stops_a_run(batch_pair, encrypted, tmp_path):
    told = []

    def progress(what, done, total):
        if not told:  # from here on the thread that waits is most likely in the library
            threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
        told.append(done / total)

    with pytest.raises(KeyboardInterrupt):
        batch_pair.server.run(batch_pair.keys, encrypted, to=tmp_path / "out", progress=progress)
    assert told[-1] < 0.9
    assert list(tmp_path.iterdir()) == [], "nothing is left of the file that was begun"
    batch_pair.server.run(batch_pair.keys, batch_pair.client.encrypt(pixels(1)))


def test_keyboard_interrupt_stops_a_network_in_floating_point(network):
    images = pixels(512)
    many = numpy.concatenate([images] * 80)
    began = time.monotonic()
    network.run(many)
    whole = time.monotonic() - began

    def interrupted():
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
            network.run(many)
        return time.monotonic() - began

    # A busy machine may be late with a signal: not every time.
    assert any(interrupted() < 0.05 + 0.5 * whole for _ in range(5))
    first, second = network.run(images)[:488], network.run(many[:1000])[512:]
    assert abs(first - second).max() < 1e-5 * abs(first).max(), "slice by slice the same"


def test_threads_share_a_server(pair):
    images = pixels(4)
    answers = [None] * 4

    def classify(k):
        answers[k] = pair.client.decrypt(pair.server.run(pair.keys, pair.client.encrypt(images[k])))

    threads = [threading.Thread(target=classify, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    exact = pair.plan.simulate(images, noise_seed=None)
    for k in range(4):
        assert abs(answers[k].logits[0] - exact[k]).max() < 0.05 * exact.std()
