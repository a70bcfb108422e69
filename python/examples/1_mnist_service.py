# SPDX-License-Identifier: Apache-2.0
"""MNIST from zero to a service in 30 lines: trains a network, classifies encrypted images, then serves it to a client.

  1_mnist_service.py [IMAGES-TO-TRAIN-ON [EPOCHS [IMAGES-TO-CLASSIFY]]]      60000, 4 and 8192 unless said; writes mnist.png

Needs MNIST (`obscura data fetch mnist`) and obscura-server in the PATH, or where OBSCURA_SERVER says.
"""
import tempfile

import torch
from helper import DATA, idx_set, numbers, save_picture, serving
from torch import nn

import obscura
import obscura.torch as ot

count, epochs, classified = numbers(60000, 4, 8192)
(images, labels), (test, true) = idx_set(DATA / "mnist", "train", count), idx_set(DATA / "mnist", "t10k", classified)
torch.manual_seed(1)
model = nn.Sequential(nn.Conv2d(1, 5, 5, stride=2), nn.BatchNorm2d(5), ot.Quadratic((5, 1, 1)),
                      nn.Conv2d(5, 50, 5, stride=2), nn.BatchNorm2d(50), ot.Quadratic((50, 1, 1)),
                      nn.Flatten(), nn.Linear(800, 10))  # fmt: skip
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=epochs * -(-count // 128))
for _ in range(epochs):
    for rows in torch.randperm(len(images)).split(128):
        logits, wanted = model(torch.tensor(images[rows]) / 255), torch.tensor(labels[rows])
        optimizer.zero_grad()
        (nn.functional.cross_entropy(logits, wanted) + 0.01 * ot.range_penalty(model)).backward()
        optimizer.step(), schedule.step()

plan = obscura.compile_torch(model, images, batch=8192, name="mnist")
answer, exact = obscura.classify(plan, test), plan.simulate(test, noise_seed=None).argmax(1)
print(f"encrypted: {100 * (answer.labels == true).mean():.2f} % of {len(test)} right, "
      f"{100 * (answer.labels == exact).mean():.2f} % as without encryption")  # fmt: skip

with tempfile.TemporaryDirectory() as folder:
    obscura.compile_torch(model, images, batch=1, name="mnist").save(folder + "/mnist.plan")
    with serving(folder) as url:
        served = obscura.RemoteClient(url, "mnist", folder=folder + "/keys").classify(test[:16])
    print(f"through {url}: {' '.join(map(str, served.labels))}")
save_picture("mnist.png", test[:16], map(str, served.labels), served.labels == true[:16])
