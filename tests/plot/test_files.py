import hashlib
import os
import subprocess
import sys

import matplotlib
import numpy as np

from deepcollapse.plot import logits_figure
from deepcollapse.plot.files import pdf, png, write_figure

CODE = (
    "import hashlib, numpy as np; from deepcollapse.plot import logits_figure; from deepcollapse.plot.files import *; "
    "figure = logits_figure([np.eye(3)], ['λ⁻¹ − eye']); "
    "print(*(hashlib.sha256(made).hexdigest() for made in (pdf(figure), png(figure))))"
)


def figure():
    return logits_figure([np.eye(3)], ["λ⁻¹ − eye"])


def test_equal_figures_give_equal_bytes_and_leave_no_global_state():
    before = dict(matplotlib.rcParams)
    one, other = figure(), figure()
    assert pdf(one) == pdf(other)
    assert png(one) == png(other)
    assert dict(matplotlib.rcParams) == before


def test_another_process_gives_the_same_bytes():
    here = [hashlib.sha256(made).hexdigest() for made in (pdf(figure()), png(figure()))]
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env=os.environ | {"PYTHONHASHSEED": "7", "SOURCE_DATE_EPOCH": "0"},
    )
    assert done.stdout.split() == here


def test_a_pdf_has_truetype_fonts_and_neither_date_nor_version():
    made = pdf(figure())
    assert b"/CIDFontType2" in made
    assert b"/Type3" not in made
    for word in (b"/CreationDate", b"/ModDate", b"/Creator", b"/Producer", matplotlib.__version__.encode()):
        assert word not in made


def test_a_png_does_not_name_its_software():
    assert b"Software" not in png(figure())
    assert b"atplotlib" not in png(figure())


def test_files_are_whole_and_alone(tmp_path):
    folder = tmp_path / "new" / "figures"
    files = write_figure(folder, "eye", figure())
    assert [file.name for file in files] == ["eye.pdf", "eye.png"]
    assert sorted(folder.iterdir()) == sorted(files)
    held = [file.read_bytes() for file in files]
    assert write_figure(folder, "eye", figure()) == files  # over the older ones
    assert [file.read_bytes() for file in files] == held
