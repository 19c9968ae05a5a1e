"""``deepcollapse train``: a network with a deep head on images, held against the DNC bound."""

from pathlib import Path

from deepcollapse.cli.interruption import keeping
from deepcollapse.cli.output import print_json, print_lines, progress_bars
from deepcollapse.experiments import train_experiment, train_spec
from deepcollapse.report import write_run

__all__ = ["train"]


def train(*spec: str, out: Path | None = None, json: bool = False) -> None:
    """Train a network with a deep head and hold what it ends at against deep neural collapse.

    Stopped at any moment, the same command goes on from the last checkpoint.

    Args:
        spec: a TOML file, or the name of a specification that comes with the package (mnist-mlp-small, for example; no
            name lists them); then entries to replace, such as head.width=256 data.path=/data seed=1.
        out: folder of the run; default runs/NAME.
        json: write the summary as one JSON document to standard output.
    """
    name, *overrides = spec or ("",)
    wanted = train_spec(name, overrides)
    folder = out or Path("runs") / Path(name).stem
    kept = f"the same command goes on from the last checkpoint in {folder}, if there is one yet"
    with keeping(lambda: kept), progress_bars(unit="images") as advance:
        result = train_experiment(
            wanted,
            folder=folder,
            progress=lambda done, total: advance("training, images", done, total),
            downloaded=lambda name, size: advance(f"downloading {name}, bytes", size, None),
            polishing=lambda steps, _: advance("polishing, steps", steps, None),
        )
    document = result.as_json()
    page = write_run(folder, document)
    if json:
        print_json(document)
    else:
        print_lines(*_summary(document), f"Report: {page}")


def _summary(found: dict) -> list[str]:
    rank, accuracy = found["rank"] or {}, found["test_accuracy"]
    tested = "no test images" if accuracy is None else f"test accuracy {accuracy:.4f}"
    speed = f"{found['images_per_second']:.0f} images/s, {found['matmul_share']:.0%} of the matmul peak"
    lines = [
        f"{found['spec']['name']}: {found['outcome']} after {found['steps']} updates ({found['epochs']:.0f} epochs, "
        f"{found['seconds']:.0f} s, {speed}): {found['explanation']}",
        f"Objective {found['objective']:.6f}; training error {found['train_error']:.4f}; {tested}",
    ]
    lines += [found["sentence"]] if found["sentence"] else []
    lines += [f"Held against no bound: {found['undefined']}"] if found["undefined"] else []
    if rank:
        lines.append(
            f"Rank of the class-mean logits: {rank['scale_free']} above 1e-3 of the largest, {rank['paper']} above 1e-6"
        )
    if found["bound"] == "balanced estimate" and found["dnc_bound"] is not None:
        lines.append("Under standard decay the bound is an estimate: of the feature model balanced with this head")
    lines += [_polished(found["polished"])] if found["polished"] else []
    lines += [f"Not polished: {found['unpolished']}"] if found["unpolished"] else []
    return lines


def _polished(found: dict) -> str:
    if not found["converged"]:
        why = found["explanation"]
        return f"With free features: no smooth critical point reached ({why}); objective {found['loss']:.6f}"
    stable = {True: "no negative curvature", False: "a saddle", None: "of unknown stability"}[found["stable"]]
    if found["rest"]:
        stable = {"minimum": "a local minimum", "saddle": "a saddle"}.get(found["rest"]["kind"], stable)
    return (
        f"With free features the nearest critical point is {found['structure'] or 'not named'}, {stable}, at "
        f"{found['loss']:.6f}; its logits are {found['moved']:.1%} away"
    )
