"""Search for the minimisers of the objective over logits, and the atlas of the best known ones."""

from deepcollapse.landscape.atlas import AtlasEntry, Lowest, atlas, atlas_entry, lowest_by_decay
from deepcollapse.landscape.build import build_atlas, faults, settings
from deepcollapse.landscape.carried import Carried, carried
from deepcollapse.landscape.point import StationaryPoint, polished
from deepcollapse.landscape.search import Found, Landscape, search

__all__ = [
    "AtlasEntry",
    "Carried",
    "Found",
    "Landscape",
    "Lowest",
    "StationaryPoint",
    "atlas",
    "atlas_entry",
    "build_atlas",
    "carried",
    "faults",
    "lowest_by_decay",
    "polished",
    "search",
    "settings",
]
