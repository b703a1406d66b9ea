"""`python -m services.intake`: serve the door until it is told to stop."""

from __future__ import annotations

import gc
import sys

from services.adapters import logs
from services.adapters.ops_http import run_app
from services.adapters.settings import EXIT_CONFIGURATION, Settings, SettingsError
from services.intake.app import make_app
from services.intake.door import NAME


def main() -> int:
    try:
        settings = Settings()
        logs.configure(NAME, settings)
        app = make_app(settings)
        # What is alive now lives for good: the collector need not walk over it with every pass.
        gc.collect()
        gc.freeze()
        run_app(app, settings.host, settings.intake_port)
    except (SettingsError, OSError) as error:
        sys.stderr.write(f"{NAME}: {error}\n")
        return EXIT_CONFIGURATION if isinstance(error, SettingsError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
