from services.adapters.settings import EXIT_CONFIGURATION, SettingsError
from services.board.app import main

try:
    main()
except SettingsError as error:
    print(error)  # noqa: T201
    raise SystemExit(EXIT_CONFIGURATION) from error
