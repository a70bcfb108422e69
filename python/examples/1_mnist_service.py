# SPDX-License-Identifier: Apache-2.0
"""MNIST from zero to a service: trains a network, classifies encrypted images, then serves it to a client.

  1_mnist_service.py [IMAGES-TO-TRAIN-ON [EPOCHS [IMAGES-TO-CLASSIFY]]]      60000, 4 and 8192 unless said; writes mnist.png

Needs MNIST (`obscura data fetch mnist`) and obscura-server in the PATH, or where OBSCURA_SERVER says.
"""
import tempfile, time

import numpy, torch
from helper import DATA, idx_set, numbers, save_picture, serving, show_progress
from torch import nn

import obscura
import obscura.torch as ot

begin = time.time()
count, epochs, classified = numbers(60000, 4, 8192)
(images, labels), (test, true) = ([part[:n] for part in idx_set(DATA / "mnist", split)]
                                  for split, n in (("train", count), ("t10k", classified)))
torch.manual_seed(1)
model = nn.Sequential(nn.Conv2d(1, 5, 5, stride=2), nn.BatchNorm2d(5), ot.Quadratic((5, 1, 1)),
                      nn.Conv2d(5, 50, 5, stride=2), nn.BatchNorm2d(50), ot.Quadratic((50, 1, 1)),
                      nn.Flatten(), nn.Linear(800, 10))
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=epochs * -(-count // 128))
for epoch in range(epochs):
    ot.warm_up(model, epoch + 0.5)
    for rows in torch.randperm(len(images)).split(128):
        loss = nn.functional.cross_entropy(model(torch.tensor(images[rows]).float() / 255), torch.tensor(labels[rows]))
        optimizer.zero_grad()
        (loss + 0.01 * ot.range_penalty(model)).backward()
        optimizer.step(), schedule.step()
print(f"trained: {time.time() - begin:.0f} s")

plan = obscura.compile_torch(model, images, batch=8192, name="mnist")
answer = obscura.classify(plan, test, progress=show_progress)
agree = (answer.labels == plan.simulate(test, noise_seed=None).argmax(1)).mean()
print(f"encrypted: {100 * (answer.labels == true).mean():.2f} % of {len(test)} right, {100 * agree:.2f} % as without "
      f"encryption; {time.time() - begin:.0f} s")

with tempfile.TemporaryDirectory() as folder:
    obscura.compile_torch(model, images, batch=1, name="mnist").save(folder + "/mnist.plan")
    with serving(folder) as url:
        client = obscura.RemoteClient(url, "mnist", folder=folder + "/keys")
        served = client.classify(test[:16])
        print(f"through {url}: {' '.join(map(str, served.labels))}")
captions = [f"{label} {100 * p.max():.0f}%" for label, p in zip(served.labels, served.probabilities)]
save_picture("mnist.png", test[:16], captions, served.labels == true[:16])
