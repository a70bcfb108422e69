# SPDX-License-Identifier: Apache-2.0
"""What the package computes, and what it refuses."""
import ast
import inspect
import pathlib

import numpy
import pytest

import obscura
from conftest import ROOT, SQUARE, pixels
from obscura import _core, _errors
from obscura._images import as_images


def test_images_of_all_shapes_are_the_same_numbers():
    rgb = pixels(3, (3, 4, 5))
    wanted = rgb.reshape(3, 60) / numpy.float32(255)
    assert (as_images(rgb, (3, 4, 5)) == wanted).all()
    assert (as_images(rgb.transpose(0, 2, 3, 1), (3, 4, 5)) == wanted).all()
    assert (as_images(rgb.reshape(3, 60), (3, 4, 5)) == wanted).all()
    assert (as_images(rgb[1], (3, 4, 5)) == wanted[1:2]).all()
    assert (as_images(rgb[1].transpose(1, 2, 0), (3, 4, 5)) == wanted[1:2]).all()
    assert (as_images(rgb.astype(numpy.int64), (3, 4, 5)) == wanted).all()
    assert (as_images(wanted.astype(numpy.float64), (3, 4, 5)) == wanted).all()
    assert (as_images(rgb.tolist(), (3, 4, 5)) == wanted).all()
    grey = pixels(2, (4, 5))
    assert (as_images(grey, (1, 4, 5)) == grey.reshape(2, 20) / numpy.float32(255)).all()
    assert as_images(grey[0], (1, 4, 5)).shape == (1, 20)


def test_an_array_of_floats_in_order_is_not_copied():
    images = numpy.full((4, 1, 28, 28), 0.5, numpy.float32)
    assert numpy.shares_memory(as_images(images, (1, 28, 28)), images)


@pytest.mark.parametrize(
    "images, said",
    [
        (numpy.zeros((2, 27, 28)), "(2, 27, 28); one or more images of 1 x 28 x 28"),
        (numpy.zeros((0, 28, 28)), "(0, 28, 28)"),
        (numpy.full((1, 28, 28), 1.5), "from 1.5 to 1.5; allowed are floats from 0 to 1"),
        (numpy.full((1, 28, 28), numpy.nan), "nan"),
        (numpy.full((1, 28, 28), -1), "from -1 to -1; allowed are integers from 0 to 255"),
        (numpy.full((1, 28, 28), 256), "256"),
        (numpy.zeros((1, 28, 28), numpy.complex64), "complex64"),
        (numpy.zeros((1, 28, 28), bool), "bool"),
    ],
)
def test_images_that_do_not_fit_are_refused(images, said):
    with pytest.raises(obscura.WrongParams) as refused:
        as_images(images, (1, 28, 28))
    assert said in str(refused.value)


def test_a_network_says_what_it_is(network):
    assert network.shape == (1, 28, 28)
    assert network.outputs == 10
    assert not network.needs_calibration
    assert "compile" in network.verdict
    assert obscura.Network(SQUARE.read_bytes()).outputs == 10
    assert "1x28x28 to 10" in repr(network)


def test_a_plan_is_the_same_from_its_file(one, tmp_path):
    path = tmp_path / "one.plan"
    one.save(path)
    assert path.read_bytes() == bytes(one.bytes)
    again = obscura.Plan(path)
    for name in ("network", "images_at_once", "predicted_seconds", "memory", "logit_error", "reasons"):
        assert getattr(again, name) == getattr(one, name), name
    assert again.describe() == one.describe()
    assert "relinearize" in one.describe()
    with pytest.raises(obscura.IoError, match="already"):
        one.save(path)
    one.save(path, overwrite=True)
    assert [file.name for file in tmp_path.iterdir()] == ["one.plan"]


def test_the_simulator_is_the_network_but_for_its_errors(one, network):
    images = pixels(20)
    exact = network.run(images)
    assert exact.shape == (20, 10) and exact.dtype == numpy.float32
    spread = exact.std()
    clear = one.simulate(images, noise_seed=None)
    assert abs(clear - exact).max() < 0.02 * spread
    noisy = one.simulate(images)
    assert (noisy == one.simulate(images, noise_seed=1)).all()
    assert 0 < abs(noisy - clear).max() < 10 * one.logit_error
    assert (noisy != one.simulate(images, noise_seed=2)).any()


def test_encrypted_images_get_the_networks_logits(batch_pair, network):
    images = pixels(100)
    pair = batch_pair
    encrypted = pair.client.encrypt(images)
    answer = pair.client.decrypt(pair.server.run(pair.keys, encrypted))
    exact = network.run(images)
    assert abs(answer.logits - exact).max() < 0.05 * exact.std()
    assert len(answer) == 100 and answer.logits.dtype == numpy.float32
    assert (answer.labels == answer.logits.argmax(1)).all() and answer.labels.dtype == numpy.int64
    assert (answer.labels == exact.argmax(1)).mean() > 0.97
    assert numpy.allclose(answer.probabilities.sum(1), 1)
    assert answer.class_names == [str(k) for k in range(10)]


def test_one_line_does_it_all(network, one):
    images = pixels(3)
    exact = network.run(images)
    for net in (network, SQUARE, one):
        answer = obscura.classify(net, images)
        assert abs(answer.logits - exact).max() < 0.05 * exact.std()
    named = obscura.classify(network, images, class_names=[f"digit {k}" for k in range(10)])
    assert named.class_names[7] == "digit 7"
    with pytest.raises(TypeError, match="batch"):
        obscura.classify(one, images, batch=2)


def test_files_are_what_bytes_are(pair, tmp_path):
    images = pixels(1)
    pair.client.save(tmp_path / "secret")
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
    client = obscura.Client(pair.plan.offer.bytes, tmp_path / "secret")
    assert client.evaluation_keys(to=tmp_path / "keys") is None
    assert client.encrypt(images, to=str(tmp_path / "in")) is None
    assert pair.server.run(pair.server.read_keys(tmp_path / "keys"), tmp_path / "in", to=tmp_path / "out") is None
    answer = pair.client.decrypt(memoryview((tmp_path / "out").read_bytes()))
    again = pair.client.decrypt(tmp_path / "out")
    assert (answer.logits == again.logits).all()
    with pytest.raises(obscura.IoError):
        client.encrypt(images, to=tmp_path / "in")
    client.encrypt(images, to=tmp_path / "in", overwrite=True)


def test_bytes_are_shown_and_not_copied(one):
    shown = memoryview(one.bytes)
    assert shown.readonly and len(shown) == len(one.bytes)
    array = numpy.frombuffer(one.bytes, numpy.uint8)
    assert numpy.shares_memory(array, numpy.frombuffer(one.bytes, numpy.uint8))
    del shown


def test_an_offer_says_what_a_client_gets_into(one):
    offer = one.offer
    assert (offer.network, offer.shape, offer.classes, offer.answer) == (one.network, (1, 28, 28), 10, "one")
    assert offer.images_at_once == one.images_at_once
    assert offer.key_bytes > 1000
    assert bytes(obscura.Offer(offer.bytes).bytes) == bytes(obscura.Server(one).offer.bytes)


def test_errors_have_a_code_and_a_sentence(network, one, pair, tmp_path):
    with pytest.raises(obscura.IoError) as absent:
        obscura.Network(tmp_path / "absent.onnx")
    assert absent.value.code == "io" and "absent.onnx" in str(absent.value)
    assert isinstance(absent.value, OSError) and isinstance(absent.value, obscura.Error)
    with pytest.raises(obscura.BadFormat):
        obscura.Network(b"no network")
    with pytest.raises(obscura.BadFormat):
        obscura.Plan(bytes(one.bytes)[:-1])
    with pytest.raises(obscura.BadFormat):
        obscura.Offer(one.bytes)
    with pytest.raises(obscura.WrongParams, match="CompileOptions::mean"):
        network.compile(mean=[0, 0])
    with pytest.raises(obscura.WrongParams, match="layout: 'sideways'"):
        network.compile(layout="sideways")
    with pytest.raises(obscura.WrongParams, match="ring: 'round'"):
        network.compile(ring="round")
    with pytest.raises(obscura.WrongParams, match="alpha: 'best'"):
        network.compile(alpha="best")
    with pytest.raises(obscura.Infeasible):
        pair.client.evaluation_keys(max_bytes=10)
    stranger = obscura.Client(one.offer)
    with pytest.raises(obscura.WrongParams):
        stranger.decrypt(pair.server.run(pair.keys, pair.client.encrypt(pixels(1))))
    with pytest.raises(TypeError, match="a path or bytes are wanted, not int"):
        obscura.Plan(3)
    with pytest.raises(TypeError, match="apart"):
        obscura.Plan(numpy.zeros((4, 4), numpy.uint8)[:, ::2])


def test_relu_takes_calibration():
    net = obscura.Network(ROOT / "models" / "teachers" / "cifar10-compact-relu.onnx")
    assert net.needs_calibration
    with pytest.raises(obscura.Unsupported, match="not a polynomial"):
        net.compile(batch=1)
    with pytest.raises(obscura.WrongParams):
        net.calibrate(pixels(2))


def test_every_code_has_an_exception():
    kinds = {kind.code: kind for kind in obscura.Error.__subclasses__()}
    assert len(kinds) == 8
    for code, kind in kinds.items():
        made = _errors.make(code, "a sentence")
        assert type(made) is kind and str(made) == "a sentence"
        assert getattr(obscura, kind.__name__) is kind


def test_the_stubs_name_what_is_there():
    stubs = ast.parse(pathlib.Path(_core.__file__).with_name("_core.pyi").read_text())
    classes = {node.name: node for node in stubs.body if isinstance(node, ast.ClassDef)}
    there = {name: value for name, value in vars(_core).items() if inspect.isclass(value)}
    assert set(classes) == set(there)
    for name, node in classes.items():
        stated = {n.name for n in node.body if isinstance(n, ast.FunctionDef) and not n.name.startswith("__")}
        stated |= {n.target.id for n in node.body if isinstance(n, ast.AnnAssign)}
        stated |= {n.targets[0].id for n in node.body if isinstance(n, ast.Assign)}
        public = {n for n in vars(there[name]) if not n.startswith("_")} - {"name", "value"} | (stated & {"name"})
        assert stated == public, name


def test_everything_public_is_documented():
    for name in obscura.__all__:
        if name in ("__version__", "compile_torch"):  # the latter takes PyTorch
            continue
        value = getattr(obscura, name)
        assert value.__doc__, name
        for member, it in vars(value).items() if inspect.isclass(value) else ():
            if not member.startswith("_") and (callable(it) or isinstance(it, (property, classmethod))):
                assert it.__doc__, f"{name}.{member}"
