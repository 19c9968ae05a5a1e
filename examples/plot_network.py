"""
A network, layer by layer
=========================

A small network on synthetic images of five classes, looked at while it trains, and measured at the end.
"""

import torch
from torch import nn

import deepcollapse as dc
from deepcollapse.observe import Recorder

torch.manual_seed(0)
labels = torch.arange(5).repeat(40)
inputs = torch.randn(200, 20) + 1.5 * torch.randn(5, 20)[labels]
loader = [(inputs, labels)]
model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 5))
optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-3)

recorder = Recorder(model, loader)
for step in range(201):
    if step % 20 == 0:
        recorder.look(step)
    optimiser.zero_grad()
    nn.functional.cross_entropy(model(inputs), labels).backward()
    optimiser.step()

# %%
# Through training, one line per layer, deeper ones darker:

training = dc.plot.training_figure(recorder.series())

# %%
# At the end, through depth:

found = dc.measure(model, loader)
depth = dc.plot.measurement_figure(found)

# %%
# The same as a table:

print(found)
