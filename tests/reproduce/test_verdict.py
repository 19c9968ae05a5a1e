"""Checks decide, conditions qualify."""

from deepcollapse.reproduce.verdict import VERDICTS, judged, out_of_reach


def test_the_four_verdicts():
    words = {"ours": "found", "numbers": {"x": 1}}
    assert judged({"a": True}, **words).verdict == "reproduced"
    assert judged({"a": True}, **words).reason == ""
    qualified = judged({"a": True}, **words, conditions=["few", "small", "few"])
    assert (qualified.verdict, qualified.reason) == ("reproduced with conditions", "few; small")
    failed = judged({"a": True, "b": False, "c": False}, **words, conditions=["few"])
    assert (failed.verdict, failed.reason) == ("not reproduced", "not so: b; c")
    assert failed.numbers == {"x": 1, "checks": {"a": True, "b": False, "c": False}}
    assert out_of_reach("no data").verdict == "out of reach here"
    assert {judged({}, **words).verdict, qualified.verdict, failed.verdict, out_of_reach("").verdict} == set(VERDICTS)
