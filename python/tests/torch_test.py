# SPDX-License-Identifier: Apache-2.0
"""obscura.torch: activations, training, replacement, and what the compiler makes of it."""
import numpy
import pytest

torch = pytest.importorskip("torch", reason="python3-torch is not installed")

import obscura
import obscura.torch as ot
from conftest import pixels
from torch import nn
from torch.nn import functional

SHAPE = (1, 12, 12)
KINDS = [("square", "layer"), ("swish4", "layer"), ("herpn", "channel")] + [
    (kind, per) for kind in ("quadratic", "quartic") for per in ("layer", "channel", "element")
]


class Plain(nn.Module):
    """Uses one ReLU module twice, at other shapes, a function and a method."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 4, 3, stride=2), nn.Conv2d(4, 6, 3, stride=2)
        self.relu = nn.ReLU()
        self.hidden, self.last = nn.Linear(24, 8), nn.Linear(8, 5)

    def forward(self, x):
        x = self.relu(self.first(x))
        x = self.relu(self.second(x))
        x = functional.relu(self.hidden(x.flatten(1)))
        return self.last(x.relu())


class Two(nn.Module):
    """A small network of two activations on pictures."""

    def __init__(self, norm=True):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 3, 3, stride=2), nn.BatchNorm2d(3) if norm else nn.Identity(), nn.ReLU(),
            nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(36, 5),
        )  # fmt: skip

    def forward(self, x):
        return self.body(x)


@pytest.fixture(autouse=True)
def same_numbers():
    torch.manual_seed(1)
    torch.set_num_threads(1)


def images(count=40):
    return pixels(count, SHAPE)


def floats(count=40):
    return torch.from_numpy(images(count)).float() / 255


def logits_of(model, x):
    model.eval()
    with torch.no_grad():
        return model(x).numpy()


def test_polynomials_have_their_formulas():
    x = torch.linspace(-5, 5, 101).reshape(1, 1, 1, 101)
    assert (ot.Square().eval()(x) == x * x).all()
    swish = ot.Swish4().eval()(x)
    assert torch.allclose(swish, 0.1198 + 0.5 * x + 0.1473 * x**2 - 0.002012 * x**4, atol=1e-5)
    assert (swish - x * x.sigmoid()).abs().max() < 0.15
    assert torch.allclose(ot.Quadratic().eval()(x), 0.19947 + 0.5 * x + 0.19947 * x * x, atol=1e-4)
    own = ot.Quartic((1,), (1, -2, 3, -4, 5)).eval()(x)
    assert torch.allclose(own, 1 - 2 * x + 3 * x**2 - 4 * x**3 + 5 * x**4, rtol=1e-4)
    for refused in (lambda: ot.Swish4(9), lambda: ot.Quadratic((1,), (1, 2)), lambda: ot.Quartic((1,), (1, 2, 3))):
        with pytest.raises(ValueError, match="allowed"):
            refused()


@pytest.mark.parametrize("make", [ot.Quadratic, ot.Quartic])
def test_they_start_as_the_least_squares_fit_to_relu(make):
    x = torch.randn(400_000)
    powers = torch.stack([x**k for k in range(5 if make is ot.Quartic else 3)], 1).double()
    fit = torch.linalg.lstsq(powers, x.relu().double()[:, None]).solution[:, 0]
    started = torch.cat([c.detach().reshape(1) for c in make().coefficients]).double()
    assert torch.allclose(started, fit, atol=0.02)


def test_training_clips_blends_and_tells_what_lies_beyond():
    x = torch.tensor([[-9.0, -1.0, 2.0, 7.0]])
    square = ot.Square(penalty_range=6, limit=8)
    assert square(x).tolist() == [[64, 1, 4, 49]]
    assert square.beyond.item() == pytest.approx((9 + 0 + 0 + 1) / 4)
    ot.warm_up(square, 0.25)
    assert square(x).tolist() == [[16, 0.25, 2.5, 0.25 * 49 + 0.75 * 7]]
    ot.warm_up(square, -1)
    assert square(x).tolist() == [[0, 0, 2, 7]]
    square.eval()
    assert square(x).tolist() == [[81, 1, 4, 49]], "evaluation is of the polynomial alone"
    assert ot.range_penalty(square) == 0


def test_the_penalty_has_a_gradient_of_all_activations():
    model = nn.Sequential(nn.Linear(4, 4), ot.Square(0.1), nn.Linear(4, 4), ot.Quadratic((4,), penalty_range=0.1))
    model(torch.randn(16, 4))
    penalty = ot.range_penalty(model)
    assert penalty.item() == pytest.approx(sum(a.beyond.item() for a in ot.activations(model)))
    penalty.backward()
    assert model[0].weight.grad.abs().sum() > 0


def test_herpn_in_evaluation_is_a_quadratic_of_its_running_statistics():
    herpn, x = ot.HerPN(3), 2 + 3 * torch.randn(512, 3, 4, 4)
    for _ in range(200):
        trained = herpn(x)
    with torch.no_grad():
        assert (herpn.eval()(x) - trained).abs().max() < 0.02
        h1, h2 = 0.5, 1 / (4 * numpy.pi) ** 0.5
        mean, deviation = x.mean((0, 2, 3), keepdim=True), x.std((0, 2, 3), keepdim=True)
        square = (x * x - (x * x).mean((0, 2, 3), keepdim=True)) / (x * x).std((0, 2, 3), keepdim=True)
        assert (trained - (h1 * (x - mean) / deviation + h2 * square + 0.39894)).abs().max() < 0.01


def test_distillation_is_the_formula():
    student, teacher = torch.randn(8, 5, requires_grad=True), torch.randn(8, 5, requires_grad=True)
    labels = torch.arange(8) % 5
    loss = ot.distillation_loss(student, teacher, labels, temperature=3, weight=0.6)
    p, q = functional.softmax(teacher / 3, 1), functional.softmax(student / 3, 1)
    wanted = 0.4 * functional.cross_entropy(student, labels) + 0.6 * 9 * (p * (p / q).log()).sum(1).mean()
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    loss.backward()
    assert teacher.grad is None and student.grad.abs().sum() > 0


def test_every_place_of_an_activation_gets_its_own():
    model = Plain()
    student = ot.replace_activations(model, floats(2), per="element")
    shapes = [tuple(a.coefficients[0].shape) for a in ot.activations(student)]
    assert shapes == [(4, 5, 5), (6, 2, 2), (8,), (8,)]
    ot.warm_up(student, 0)
    student.train()
    assert torch.allclose(student(floats()), model(floats()), atol=1e-6), "the weights are the model's"
    channels = ot.replace_activations(model, floats(2))
    assert [tuple(a.coefficients[0].shape) for a in ot.activations(channels)] == [(4, 1, 1), (6, 1, 1), (8,), (8,)]
    own = ot.replace_activations(model, floats(2), kind=lambda shape: ot.Square(penalty_range=len(shape)))
    assert [a.penalty_range for a in ot.activations(own)] == [3, 3, 1, 1]
    assert not ot.activations(model) and isinstance(model.relu, nn.ReLU), "the model itself is as it was"


def test_replacing_leaves_statistics_and_modes():
    model = Two()
    model.train()
    student = ot.replace_activations(model, floats())
    assert student.training
    assert int(student.get_submodule("body.1").num_batches_tracked) == 0
    assert not ot.replace_activations(model.eval(), floats()).training


def test_what_cannot_be_replaced_is_told():
    class Branches(nn.Module):
        def forward(self, x):
            return x.relu() if x.sum() > 0 else x

    with pytest.raises(TypeError, match="Branches: torch.fx cannot follow"):
        ot.replace_activations(Branches(), floats())
    with pytest.raises(ValueError, match="no ReLU"):
        ot.replace_activations(nn.Flatten(), floats())
    with pytest.raises(ValueError, match="allowed: square, swish4"):
        ot.replace_activations(Plain(), floats(), kind="cubic")
    with pytest.raises(ValueError, match="allowed: layer"):
        ot.replace_activations(Plain(), floats(), per="pixel")


def test_warm_up_trains_a_student():
    model = Two(norm=False)
    student = ot.replace_activations(model, floats(), limit=8)
    x, labels = floats(64), torch.arange(64) % 5
    optimizer = torch.optim.Adam(student.parameters(), lr=0.01)
    losses = []
    student.train()
    for step in range(60):
        ot.warm_up(student, step / 20)
        loss = ot.distillation_loss(student(x), model(x), labels, weight=0.3) + 0.01 * ot.range_penalty(student)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[20]
    assert all(a.share == 1 for a in ot.activations(student))


@pytest.mark.parametrize("kind, per", KINDS)
def test_plans_compute_the_model(kind, per):
    model = ot.replace_activations(Two(norm=kind != "herpn"), floats(), kind=kind, per=per)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    model.train()
    for _ in range(30):
        model(floats())
    exact = logits_of(model, floats())
    for batch in (8192, 1):
        plan = obscura.compile_torch(model, images(), batch=batch)
        assert abs(plan.simulate(images(), noise_seed=None) - exact).max() < 0.02 * exact.std()


def test_the_file_says_what_compile_reads(tmp_path):
    model = ot.replace_activations(Two(), floats())
    path = tmp_path / "two.onnx"
    content = ot.export(
        model, SHAPE, path, mean=[0.3], std=[0.25], class_names=list("abcde"), headroom_bits=5, max_error=0.01
    )
    assert path.read_bytes() == content
    network = obscura.Network(path)
    assert network.name == "Two" and obscura.Network(ot.export(model, SHAPE, name="two")).name == "two"
    exact = logits_of(model, (floats() - 0.3) / 0.25)
    assert abs(network.run(images()) - exact).max() < 1e-4 * abs(exact).max()
    plan = network.calibrate(images()).compile(batch=1)
    assert plan.offer.class_name(3) == "d"
    assert abs(plan.simulate(images(), noise_seed=None) - exact).max() < 0.02 * exact.std()
    assert plan.logit_error < 0.01
    by_hand = obscura.compile_torch(model, images(), batch=1, mean=[0.3], std=[0.25])
    assert abs(by_hand.simulate(images(), noise_seed=None) - exact).max() < 0.02 * exact.std()
    with pytest.raises(obscura.IoError, match="already"):
        ot.export(model, SHAPE, path)
    with pytest.raises(ValueError, match="one line"):
        ot.export(model, SHAPE, class_names=["a\nb"])


def test_answers_are_of_the_kind_that_the_model_ends_in():
    x = images(6)

    def answer(end, outputs):
        model = nn.Sequential(nn.Conv2d(1, 2, 3, stride=3), nn.Flatten(), nn.Linear(32, outputs), end)
        plan = obscura.compile_torch(model, images(), batch=1)
        return plan.offer, obscura.classify(plan, x), logits_of(model[:-1], floats(6)), logits_of(model, floats(6))

    offer, said, logits, ended = answer(nn.Softmax(1), 4)
    assert offer.answer == "one" and (said.labels == logits.argmax(1)).all()
    assert abs(said.probabilities - ended).max() < 0.01
    offer, said, logits, ended = answer(nn.Sigmoid(), 4)
    assert offer.answer == "several" and said.labels == [[int(k) for k in numpy.flatnonzero(row >= 0)] for row in logits]
    assert abs(said.probabilities - ended).max() < 0.01
    offer, said, logits, ended = answer(nn.Sigmoid(), 1)
    assert offer.answer == "binary" and (said.labels == (logits[:, 0] >= 0)).all() and len(said.class_names) == 2
    assert abs(said.probabilities - ended).max() < 0.01
    offer, said, logits, ended = answer(nn.Identity(), 1)
    assert offer.answer == "values" and said.labels is None and said.probabilities is None
    assert abs(said.logits - ended).max() < 0.01


def test_export_leaves_the_model_in_its_mode():
    model = Two().train()
    ot.export(model, SHAPE)
    assert model.training


def test_a_model_with_relu_is_compiled_by_its_samples():
    torch.manual_seed(3)
    model = nn.Sequential(nn.Conv2d(1, 2, 3, stride=3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3))
    exact = logits_of(model, floats())

    def error(alpha):
        plan = obscura.compile_torch(model, images(200), batch=1, alpha=alpha)
        return abs(plan.simulate(images(), noise_seed=None) - exact).max() / exact.std()

    assert error(10) < 0.01 < error(4)
    plan = obscura.compile_torch(model, images(200), batch=1, alpha=10)
    answer = obscura.classify(plan, images(2))
    assert abs(answer.logits - exact[:2]).max() < 0.01 * exact.std() + 10 * plan.logit_error
    with pytest.raises(ValueError, match="N, C, H, W"):
        obscura.compile_torch(model, images().reshape(-1, 144))
