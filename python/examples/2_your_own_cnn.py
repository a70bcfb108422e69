# SPDX-License-Identifier: Apache-2.0
"""A CNN of one's own, with ReLU: polynomials take its place, the network learns to live with them, and answers encrypted.

  2_your_own_cnn.py [IMAGES-TO-TRAIN-ON [EPOCHS [IMAGES-TO-CLASSIFY]]] [FOLDER]    60000, 3, 8192 and Fashion-MNIST unless
                                                                               said; writes fashion.png
FOLDER has the four files of MNIST or of a set like it (`obscura data fetch fashion-mnist`).
"""
import pathlib
import sys

import torch
from helper import DATA, idx_set, numbers, save_picture, show_progress
from torch import nn
from torch.nn import functional

import obscura
import obscura.torch as ot

GARMENTS = ["t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"]
MEAN, STD = 0.286, 0.353  # of Fashion-MNIST


class Network(nn.Module):
    """Written without a thought of encryption, but for average pooling: a maximum costs far more than a mean."""

    def __init__(self):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16)
        self.conv2, self.norm2 = nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32)
        self.last = nn.Linear(32 * 7 * 7, 10)

    def forward(self, x):
        x = functional.avg_pool2d(functional.relu(self.norm1(self.conv1(x))), 2)
        x = functional.avg_pool2d(functional.relu(self.norm2(self.conv2(x))), 2)
        return self.last(x.flatten(1))


def train(model, images, labels, epochs, teacher=None, warm_up=0):
    """By the labels, and by the teacher where there is one; over `warm_up` epochs ReLU turns into the polynomials."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    steps = epochs * -(-len(images) // 128)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for epoch in range(epochs):
        ot.warm_up(model, (epoch + 1) / (warm_up + 1))
        model.train()
        for rows in torch.randperm(len(images)).split(128):
            x, y = normalised(images[rows]), labels[rows]
            logits = model(x)
            if teacher is None:
                loss = functional.cross_entropy(logits, y)
            else:
                with torch.no_grad():
                    taught = teacher(x)
                loss = ot.distillation_loss(logits, taught, y) + 0.01 * ot.range_penalty(model)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    return model.eval()


def normalised(images):
    return (images.float() / 255 - MEAN) / STD


def accuracy(model, images, labels):
    with torch.no_grad():
        right = [(model(normalised(x)).argmax(1) == y) for x, y in zip(images.split(1000), labels.split(1000))]
    return 100 * torch.cat(right).float().mean().item()


def main():
    count, epochs, classified = numbers(60000, 3, 8192)
    folders = [word for word in sys.argv[1:] if not word.isdigit()]
    folder = pathlib.Path(folders[0]) if folders else DATA / "fashion-mnist"
    images, labels = map(torch.tensor, idx_set(folder, "train", count))
    test, true = map(torch.tensor, idx_set(folder, "t10k", classified))
    torch.manual_seed(1)

    teacher = train(Network(), images, labels, epochs)
    print(f"with ReLU: {accuracy(teacher, test, true):.2f} %")
    student = ot.replace_activations(teacher, normalised(images[:1]), "quadratic", per="channel", limit=12)
    student = train(student, images, labels, epochs + 1, teacher, warm_up=1)
    print(f"with quadratics of each channel: {accuracy(student, test, true):.2f} %")

    plan = obscura.compile_torch(student, images[:256], mean=[MEAN], std=[STD], class_names=GARMENTS, name="garments")
    print(f"{plan}, {plan.memory / 1e9:.1f} GB, keys of {plan.offer.key_bytes / 1e6:.0f} MB")
    answer = obscura.classify(plan, test, progress=show_progress)
    labels = torch.tensor(answer.labels)
    print(f"encrypted: {100 * (labels == true).float().mean():.2f} % of {len(test)}")
    wrong = (labels != true).nonzero()[:8, 0].tolist()
    shown = [*range(16 - len(wrong)), *wrong]
    captions = [answer.class_names[label] for label in labels[shown]]
    save_picture("fashion.png", test[shown].numpy(), captions, (labels == true)[shown])


if __name__ == "__main__":
    main()
