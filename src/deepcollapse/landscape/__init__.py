"""Search for the minimisers of the objective over logits, and the atlas of the best known ones."""

from deepcollapse.landscape.atlas import AtlasEntry, atlas, atlas_entry, build_atlas, faults, settings
from deepcollapse.landscape.point import StationaryPoint, polished
from deepcollapse.landscape.search import Found, Landscape, search

__all__ = [
    "AtlasEntry",
    "Found",
    "Landscape",
    "StationaryPoint",
    "atlas",
    "atlas_entry",
    "build_atlas",
    "faults",
    "polished",
    "search",
    "settings",
]
