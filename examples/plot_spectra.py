"""
Hessian spectra
===============

Every eigenvalue with its multiplicity at three critical points: collapse and pairs are minima, a partition into
groups of 2, 2, 2 and 4 is a strict saddle. The zeros of the first two are rotations of the hidden layers.
"""

import deepcollapse as dc

problem = dc.Problem(classes=10, samples=5, layers=2, width=70, decay=2**-10)
spectra = {
    name: dc.curvature.structure_spectrum(dc.structure(name, problem), problem)
    for name in ("simplex", "paired", "partition-2-2-2-4")
}
eigenvalues = dc.plot.spectrum_figure(spectra)

# %%
# What they say:

for name, spectrum in spectra.items():
    print(f"{name:18} negative {spectrum.negative}, zero {spectrum.nullity}: {spectrum.verdict}")
