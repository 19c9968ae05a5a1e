"""What the numbers of a trained network say, in sentences that hold whichever way they fall."""

from deepcollapse.report.captions import Json
from deepcollapse.report.words import counted, number, percent

__all__ = ["network_against_bound", "network_polished", "network_rank", "network_training"]


def network_against_bound(network: Json) -> str:
    """On which side of the DNC bound the network's loss is, and what follows."""
    loss, bound, best = network["objective"], network["dnc_bound"], network["best_structure_loss"]
    if network["undefined"]:
        return f"The network's regularised loss is {number(loss)}. It is held against no bound: {network['undefined']}."
    if network["bound"] != "exact":
        return _against_estimate(network)
    if loss < bound:
        first = (
            f"The network's regularised loss is {number(loss)}, below the DNC bound {number(bound)}: no network with "
            "these weight decays that has collapsed is as cheap."
        )
    else:
        first = (
            f"The network's regularised loss is {number(loss)}, not below the DNC bound {number(bound)}. That says "
            "little: its backbone need not be able to reach the features that the bound assumes."
        )
    side = "above" if loss >= best else "below"
    return (
        f"{first} It is {percent(abs(loss / best - 1))} {side} the cheapest structure compared, "
        f"{network['best_structure']}, with {number(best)}."
    )


def _against_estimate(network: Json) -> str:
    """Under decay on every parameter there is no bound, only a feature model that fits the end."""
    first = f"The network's regularised loss, decay of all its parameters included, is {number(network['objective'])}."
    loss, bound = network["feature_model_objective"], network["dnc_bound"]
    side = "below" if loss < bound else "not below"
    return (
        f"{first} Features and head alone, as a point of the feature model in which they would be balanced, cost "
        f"{number(loss)}, {side} the {number(bound)} of DNC in that model: an estimate, because the decay of its "
        "features is read off the result."
    )


def network_training(network: Json) -> str:
    """How training ended: by its stopping rule or not, and with which errors."""
    steps = counted(network["steps"], "step")
    if network["converged"]:
        ended = f"Training met its stopping rule after {steps}."
    else:
        ended = f"Training ended after {steps} without meeting its stopping rule ({network['outcome']}: "
        ended += f"{network['explanation']})."
    error, accuracy = network["train_error"], network["test_accuracy"]
    tested = "nothing was held out" if accuracy is None else f"{percent(accuracy)} of the test images"
    if error == 0:
        joint = "; " if accuracy is None else ", and "
        return f"{ended} Every training image is classified correctly{joint}{tested}."
    wrong = f"{percent(error)} of the training images are still classified wrongly"
    return f"{ended} {wrong}; {tested}{'' if accuracy is None else ' are classified correctly'}."


def network_rank(network: Json) -> str:
    """Rank of the class-mean logits under both thresholds, and the structure recognised."""
    total, rank = len(network["singular_values"]), network["rank"]
    if rank is None:
        return "The logits are zero, or nearly: they have no rank to speak of."
    found = network["structure"]
    named = f"They are classified as {found}." if found else "They match no named structure."
    return (
        f"Of the {counted(total, 'singular value')} of the class-mean logits, {number(rank['paper'])} count towards "
        f"the rank by the paper's absolute threshold and {number(rank['scale_free'])} by a scale-free one. {named}"
    )


def network_polished(network: Json) -> str:
    """Where the feature model goes from the network's end, once its features are free; empty if not asked for."""
    found = network["polished"]
    if found is None:
        return ""
    first = f"With free features the loss falls from {number(found['start_loss'])} to {number(found['loss'])}"
    if not found["converged"]:
        return f"{first}, and no smooth critical point was reached: {found['explanation']}."
    what = (
        f"the structure {found['structure']}" if found["structure"] not in (None, "unnamed") else "one without a name"
    )
    stable = {True: "with no negative curvature", False: "a saddle", None: "of unknown stability"}[found["stable"]]
    if found["rest"]:
        stable = {"minimum": "a local minimum", "saddle": "a saddle"}.get(found["rest"]["kind"], stable)
    return (
        f"{first}, at the critical point of the feature model downhill: {what}, {stable}. The "
        f"class-mean logits moved by {percent(found['moved'])} of their norm on the way."
    )
