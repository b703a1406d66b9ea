"""Settings: the one place where the environment is read, once, into a frozen value that is handed on.

Every field is set by the environment variable of its name in upper case. A value that is missing or badly
formed raises SettingsError, which names the variable and the remedy; rooms answer it with exit code 78.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import string
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

EXIT_CONFIGURATION: Final = 78
"""sysexits.h EX_CONFIG: starting again would not help, so the supervisor does not."""

PROJECT: Final = Path(__file__).resolve().parents[2]

Port = Annotated[int, Field(ge=1, le=65535)]

_RUNNING: Final = "start everything with `make run`; if it runs, set PIONEER_DATA as it was set there"
_REMEDIES: Final = {
    "kafka_bootstrap": f"give host:port of a broker, or {_RUNNING}",
    "database_url": f"give postgresql://user:password@host:port/name, or {_RUNNING}",
    "pioneer_secret": "give at least 64 hexadecimal digits; `make run` makes one by itself",
    "seal_keys": "give kid:key[,kid:key…], each key 32 bytes in base64; `make run` makes one by itself",
    "trusted_proxies": "give the addresses or networks of your own proxies, such as 10.0.0.5,172.16.0.0/12",
    "clock_offset_file": "give the path of a file that holds seconds as text, or leave it unset",
    "log_level": "give DEBUG, INFO, WARNING or ERROR",
    "log_format": "give text or json",
}


class SettingsError(ValueError):
    """A setting is missing or badly formed. The text is one sentence per setting, with the remedy."""


class Settings(BaseSettings):
    model_config = SettingsConfigDict(frozen=True, extra="ignore", case_sensitive=False)

    pioneer_data: Path = PROJECT / "var"
    pioneer_jars: Path | None = None
    maven_mirror: str = "https://repo1.maven.org/maven2"

    kafka_bootstrap: str | None = None
    kafka_replication: Annotated[int, Field(ge=1, le=9)] = 1
    database_url: str | None = None

    pioneer_secret: str = Field(default="", repr=False)
    seal_keys: str = Field(default="", repr=False)

    host: str = "127.0.0.1"
    intake_port: Port = 8000
    board_port: Port = 8001
    router_port: Port = 9101
    timekeeper_port: Port = 9102
    kafka_port: Port = 9092
    kafka_controller_port: Port = 9093
    postgres_port: Port = 5433
    router_workers: Annotated[int, Field(ge=1, le=8)] = 1

    city_folder: Path = PROJECT / "deploy" / "city" / "wuzhong"
    public_url: str | None = None
    trusted_proxies: str = ""
    sample_staff_password: str | None = Field(default=None, repr=False)
    clock_offset_file: Path | None = None

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as problem:
            raise SettingsError("; ".join(_sentences(problem))) from None

    @field_validator("kafka_bootstrap", "database_url", "public_url", "sample_staff_password", mode="before")
    @classmethod
    def _empty_means_unset(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("pioneer_jars", "clock_offset_file", mode="before")
    @classmethod
    def _empty_path_means_unset(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("log_level", mode="before")
    @classmethod
    def _level_in_any_case(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("database_url")
    @classmethod
    def _is_postgresql(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("postgresql://", "postgres://")):
            raise ValueError("does not begin with postgresql://")
        return value

    @field_validator("maven_mirror", "public_url")
    @classmethod
    def _is_http(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("does not begin with http:// or https://")
        return value.rstrip("/") if value is not None else None

    @field_validator("pioneer_secret")
    @classmethod
    def _is_hex(cls, value: str) -> str:
        if value and (len(value) < 64 or len(value) % 2 or set(value) - set(string.hexdigits)):
            raise ValueError("is not at least 64 hexadecimal digits")
        return value

    @field_validator("seal_keys")
    @classmethod
    def _are_keys(cls, value: str) -> str:
        for pair in value.split(",") if value else []:
            kid, _, key = pair.strip().partition(":")
            try:
                length = len(base64.b64decode(key, validate=True))
            except binascii.Error:
                length = 0
            if not kid or length != 32:
                raise ValueError(f"holds a part, named {kid!r}, that is not kid:base64 of 32 bytes")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _are_addresses(cls, value: str) -> str:
        for part in value.split(",") if value else []:
            try:
                ipaddress.ip_network(part.strip())
            except ValueError:
                # The server takes it for the name of something, and would trust nobody or, with *, everybody.
                raise ValueError(f"holds {part.strip()!r}, which is no address or network") from None
        return value

    @property
    def photos_folder(self) -> Path:
        return self.pioneer_data / "photos"

    def require(self, name: str) -> str:
        """The text of an optional setting that this process cannot do without."""
        value = getattr(self, name)
        if not value:
            raise SettingsError(f"{name.upper()} is not set: {_remedy(name)}")
        return str(value)


def _sentences(problem: ValidationError) -> list[str]:
    found = []
    for error in problem.errors(include_url=False, include_input=False):
        name = str(error["loc"][0]) if error["loc"] else "settings"
        text = error["msg"].removeprefix("Value error, ")
        found.append(f"{name.upper()} {_verbed(text)}: {_remedy(name)}")
    return found


def _verbed(text: str) -> str:
    return text if text.startswith(("is ", "does ", "holds ")) else f"is wrong ({text[:1].lower()}{text[1:]})"


def _remedy(name: str) -> str:
    if name.endswith("_port"):
        return "give a port number from 1 to 65535"
    return _REMEDIES.get(name, "see the settings table of the README")
