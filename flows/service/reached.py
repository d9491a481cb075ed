"""Where Prefect's API is, and what its processes need to reach it. Every command asks: it loads next to nothing."""

import fcntl
import os

from flows.home import APART
from flows.service.signing_in import auth_string, known_secret, made_secret
from flows.settings import Settings

RUNNING_FILE = "serving"


def prefect_environment(settings: Settings, api_url: str) -> dict[str, str]:
    """What Prefect's processes need: their own home, no telemetry, where the API is, and what it wants from them."""
    home = settings.home.resolve()
    ours = {
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_API_URL": api_url,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_LOGGING_EXTRA_LOGGERS": "ectx",
        "PREFECT_CLI_PROMPT": "false",
        "PREFECT_WORKER_QUERY_SECONDS": "2",  # a run that waits for a worker is one that somebody waits for
        "ECTX_HOME": str(home),
        "ECTX_PRACTICE": str(settings.practice).lower(),
    }
    # The home's own secret is for the home's own service: it is not shown to a server somewhere else.
    is_elsewhere = api_url == os.environ.get("PREFECT_API_URL") != _served_here(settings)
    if (settings.ui_secret.get_secret_value() or not is_elsewhere) and (secret := known_secret(settings)):
        ours["PREFECT_API_AUTH_STRING"] = auth_string(secret)
    around = {name: value for name, value in os.environ.items() if not (settings.practice and name in APART)}
    return {**around, **ours}


def server_environment(settings: Settings, api_url: str, pages: str) -> dict[str, str]:
    """What Prefect's server needs beside that: the secret it wants from everybody, and the one origin it answers."""
    return prefect_environment(settings, api_url) | {
        "PREFECT_SERVER_API_AUTH_STRING": auth_string(made_secret(settings)),
        "PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED": "true",
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": pages,
        "PREFECT_SERVER_UI_API_URL": f"{pages}/api",
        # How tasks went, as operators see it, is written a second's worth at a time: one by one, as Prefect has it, by two at once,
        # its writers met one another and everybody else's all the time.
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "500",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    }


def api_of_running_service(settings: Settings) -> str | None:
    """Prefect's API: as set, or that of an `ectx serve` that runs on this home."""
    if os.environ.get("PREFECT_API_URL"):
        return os.environ["PREFECT_API_URL"]
    api_url = _served_here(settings)
    return api_url if api_url and is_healthy(api_url) else None


def _served_here(settings: Settings) -> str | None:
    """The API of an `ectx serve` that runs on this home."""
    path = settings.home / RUNNING_FILE
    if not path.is_file():
        return None
    with path.open(encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return file.read() or None
    return None  # nobody holds it: the service was stopped, or killed


def is_healthy(api_url: str) -> bool:
    """Whether somebody answers there."""
    import urllib.request  # not before there is somebody to ask

    try:
        with urllib.request.urlopen(f"{api_url}/health", timeout=2) as answer:
            return answer.status == 200
    except OSError:  # urllib's own are of the kind
        return False
