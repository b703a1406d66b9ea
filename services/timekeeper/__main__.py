from services.adapters.settings import EXIT_CONFIGURATION, SettingsError
from services.timekeeper.app import main

try:
    raise SystemExit(main())
except SettingsError as error:
    print(error)  # noqa: T201
    raise SystemExit(EXIT_CONFIGURATION) from error
