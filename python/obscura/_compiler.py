# SPDX-License-Identifier: Apache-2.0
"""Networks, and plans made of them."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Sequence, Tuple, Union

import numpy

from . import _core
from ._errors import WrongParams
from ._files import save
from ._images import as_images
from ._types import Path, Progress, Source


class Network:
    """A network of an ONNX file.

    onnx     a path, or the file's bytes
    raises   IoError; BadFormat: not ONNX, damaged; Unsupported: an operator, naming the node and the way out

    Images are arrays of shape {N, C, H, W} or {N, H, W, C}, {N, C*H*W}, or one image without N: bytes from 0 to 255, or
    floats from 0 to 1, which are pixel / 255. An array of float32 in C order is not copied.
    """

    def __init__(self, onnx: Source) -> None:
        self._core = _core.Network.read(onnx)
        self._calibration: Optional[numpy.ndarray] = None

    @property
    def name(self) -> str:
        """As the file has it."""
        return self._core.name

    @property
    def shape(self) -> Tuple[int, int, int]:
        """Channels, height and width of an image."""
        return self._core.shape

    @property
    def outputs(self) -> int:
        """Numbers that it gives for an image."""
        return self._core.outputs

    @property
    def needs_calibration(self) -> bool:
        """Whether functions as ReLU or max-pooling are in it, which polynomials stand for: these take calibrate()."""
        return self._core.needs_calibration

    @property
    def verdict(self) -> str:
        """Whether it can be compiled, and if not which node is in the way: a sentence."""
        return self._core.verdict

    def __repr__(self) -> str:
        return f"<obscura.Network {self.name!r}: {'x'.join(map(str, self.shape))} to {self.outputs}>"

    def calibrate(self, images: Any) -> "Network":
        """Keeps training images by which compile() finds the ranges of all values, and the polynomials. Returns itself.

        Ranges take the first 256 of them; polynomials for ReLU and the like up to 10,000.
        raises   WrongParams: images that do not fit
        """
        self._calibration = as_images(images, self.shape)
        return self

    def run(self, images: Any, mean: Sequence[float] = (), std: Sequence[float] = ()) -> numpy.ndarray:
        """Its logits in floating point: {images, outputs}, float32.

        mean, std   per channel, where the network is fed (pixel / 255 - mean) / std; else as its file says, or 0 and 1
        """
        return self._core.run(as_images(images, self.shape), list(mean), list(std))

    def compile(
        self,
        batch: int = 8192,
        alpha: Union[int, str] = "auto",
        *,
        layout: str = "automatic",
        mean: Sequence[float] = (),
        std: Sequence[float] = (),
        class_names: Sequence[str] = (),
        headroom_bits: Optional[int] = None,
        max_error: Optional[float] = None,
        depth: Optional[float] = None,
        products: Optional[float] = None,
        activations: Optional[Mapping[str, Tuple[Sequence[float], float]]] = None,
        max_loss: Optional[float] = None,
        memory: int = 16_000_000_000,
        max_key_bytes: Optional[int] = None,
        log2_degree: Optional[int] = None,
        ring: str = "automatic",
        progress: Progress = None,
    ) -> "Plan":
        """The network under parameters, ready for a Server.

        batch          images that are classified at a time
        alpha          polynomials in place of ReLU and other functions, each within bound * 2^-alpha; "auto": the
                       cheapest that change the answers of at most max_loss of the calibration images: 0.002 where
                       nothing is said, or where none are so precise up to about 0.01, which the plan's reasons say then
        layout         "image": an image in the slots of few ciphertexts; "batch": an image in each slot; "automatic":
                       what is cheaper for the batch
        mean, std      per channel: the network is fed (pixel / 255 - mean) / std
        class_names    one an output, for the client's labels
        headroom_bits  bits between the largest value that calibration saw and the modulus: 3, without calibration 6
        max_error      largest predicted standard deviation of a logit's error; else a share of the logits' spread
        depth, products   in place of alpha: the best polynomials for each layer with so many levels, or so many
                       products of ciphertexts an image, in all
        activations    by a node's name: (coefficients from x^0 up, bound), a polynomial of one's own for |x| <= bound
        memory         bytes that the server may take
        max_key_bytes  bytes that a client's evaluation keys may have
        log2_degree    forces the ring's degree
        ring           "standard": N/2 complex slots, and bootstrapping; "conjugate_invariant": N real slots, so twice
                       the images of a batch; "automatic": what is faster
        What is left out is as the network's file says (docs/IMPORT.md), else as is said here.
        raises   Unsupported, Infeasible: naming the node, the figure and the way out; WrongParams: images or options
                 that do not fit; Cancelled
        """
        if layout not in _core.Layout.__members__:
            raise WrongParams(f"layout: {layout!r}; allowed: {', '.join(_core.Layout.__members__)}")
        if ring not in _core.Ring.__members__:
            raise WrongParams(f"ring: {ring!r}; allowed: {', '.join(_core.Ring.__members__)}")
        if isinstance(alpha, str) and alpha != "auto":
            raise WrongParams(f"alpha: {alpha!r}; a whole number of bits or 'auto' is allowed")
        options = _core.CompileOptions()
        options.batch = batch
        options.layout = _core.Layout.__members__[layout]
        options.ring = _core.Ring.__members__[ring]
        options.mean, options.std = list(mean), list(std)
        options.class_names = list(class_names)
        options.headroom_bits, options.max_error = headroom_bits, max_error
        options.alpha = None if isinstance(alpha, str) else alpha
        options.depth, options.products = depth, products
        options.activations = {
            node: _core.OwnActivation(list(coefficients), bound)
            for node, (coefficients, bound) in (activations or {}).items()
        }
        options.max_loss, options.memory = max_loss, memory
        options.max_key_bytes, options.log2_degree = max_key_bytes, log2_degree
        return Plan._of(self._core.compile(options, self._calibration, progress))


class Plan:
    """A compiled network: all that a server needs, and its weights. Clients get the offer alone.

    source   a file of save() or of `obscura compile`, or its bytes
    raises   IoError; BadFormat, Unsupported, WrongParams: what is wrong with the file
    """

    def __init__(self, source: Source) -> None:
        self._core = _core.Plan.read(source)
        self._offer: Optional[_core.Offer] = None

    @classmethod
    def _of(cls, core: "_core.Plan") -> "Plan":
        plan = cls.__new__(cls)
        plan._core, plan._offer = core, None
        return plan

    @property
    def bytes(self) -> "_core.Bytes":
        """The whole file."""
        return self._core.bytes

    @property
    def network(self) -> str:
        """The network's name."""
        return self._core.network

    @property
    def images_at_once(self) -> int:
        """Images that one batch of ciphertexts holds."""
        return self._core.images_at_once

    @property
    def predicted_seconds(self) -> float:
        """Of one batch, on one core."""
        return self._core.predicted_seconds

    @property
    def memory(self) -> int:
        """Bytes that the server takes, predicted."""
        return self._core.memory

    @property
    def logit_error(self) -> float:
        """Standard deviation of a logit's error by encryption, predicted."""
        return self._core.logit_error

    @property
    def reasons(self) -> "list[str]":
        """What was chosen, and why."""
        return self._core.reasons

    @property
    def offer(self) -> "_core.Offer":
        """What a client may know: what it needs to make keys and encrypt."""
        if self._offer is None:
            self._offer = _core.Offer(_core.Server.open(self.bytes, 0).offer())
        return self._offer

    def __repr__(self) -> str:
        return (
            f"<obscura.Plan of {self.network!r}: {self.images_at_once} at once, "
            f"{self.predicted_seconds:.3g} s predicted on a core>"
        )

    def save(self, path: Path, overwrite: bool = False) -> None:
        """Writes the file that Server, `obscura run` and `obscura-server` read."""
        save(self.bytes, path, overwrite)

    def describe(self) -> str:
        """Parameters, one line a step with its shape, limbs, scale and predicted error, then the reasons."""
        return self._core.describe()

    def simulate(self, images: Any, noise_seed: Optional[int] = 1, progress: Progress = None) -> numpy.ndarray:
        """The plan's logits without encryption: {images, outputs}, float32.

        noise_seed   of the errors that encryption would make, drawn from their predicted distribution; None: no errors
        raises   WrongParams: images that do not fit; Cancelled
        """
        return self._core.simulate(as_images(images, self.offer.shape), noise_seed, self.offer.classes, progress)
