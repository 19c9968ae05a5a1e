"""Set up before any test: array shapes checked at run time, hypothesis profiles, no display, interrupts heard."""

import os
import signal

from hypothesis import HealthCheck, settings
from jaxtyping import install_import_hook

os.environ.setdefault("MPLBACKEND", "Agg")

install_import_hook("deepcollapse", "typecheck.check")

# Shells start background jobs deaf to Ctrl-C, and what is started by these is deaf as well; interrupts are tested here.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A deadline would measure the machine, and the first example pays for imports.
settings.register_profile("local", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("reproducible", settings.get_profile("local"), derandomize=True)
settings.load_profile("reproducible" if os.environ.get("CI") else "local")
