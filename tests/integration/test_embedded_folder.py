"""The run-time folder and the settings: what is refused, and in which words."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.adapters.embedded import folder as folders
from services.adapters.embedded.cannot_start import CannotStart
from services.adapters.embedded.folder import DataFolder
from services.adapters.settings import Settings, SettingsError


def test_a_disk_that_is_nearly_full_is_said_with_the_remedy(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.adapters.embedded.folder.LEAST_FREE_BYTES", 10**18)
    with pytest.raises(CannotStart, match=r"only \d+ MB are free .* PIONEER_DATA"):
        prepare(data_folder)


def test_a_folder_that_cannot_be_made_is_said(data_folder: Path) -> None:
    (data_folder / "file").write_text("", "utf-8")
    with pytest.raises(CannotStart, match=r"cannot use .*file/data \(Not a directory\): set PIONEER_DATA"):
        prepare(data_folder / "file" / "data")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_folder_of_somebody_else_is_refused(data_folder: Path) -> None:
    os.chown(data_folder, 12345, 12345)
    with pytest.raises(CannotStart, match=r"belongs to another user"):
        prepare(data_folder)


def test_a_secret_is_made_once_and_closed(data_folder: Path) -> None:
    place = DataFolder(data_folder, None)
    made = iter(["first", "second"])
    assert word(place, made) == word(place, made) == "first"
    assert (data_folder / "secrets" / "word").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"intake_port": "70000"}, "INTAKE_PORT is wrong"),
        ({"router_workers": "0"}, "ROUTER_WORKERS is wrong"),
        ({"database_url": "mysql://x"}, "DATABASE_URL does not begin with postgresql://"),
        ({"pioneer_secret": "short"}, "PIONEER_SECRET is not at least 64 hexadecimal digits"),
        ({"seal_keys": "k1:AAAA"}, "SEAL_KEYS holds a part, named 'k1', that is not"),
        ({"maven_mirror": "mirror"}, "MAVEN_MIRROR does not begin with http"),
        ({"trusted_proxies": "*"}, "TRUSTED_PROXIES holds '*', which is no address or network"),
        ({"trusted_proxies": "10.0.0.1,10.1.2.3/8"}, "holds '10.1.2.3/8', which"),
        ({"log_level": "loud"}, "give DEBUG, INFO, WARNING or ERROR"),
    ],
)
def test_a_badly_formed_setting_is_named(values: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings(**values)
    assert said in str(refused.value)


def test_a_setting_that_is_missing_is_named_when_it_is_needed() -> None:
    with pytest.raises(SettingsError, match=r"KAFKA_BOOTSTRAP is not set: give host:port"):
        Settings(kafka_bootstrap=None).require("kafka_bootstrap")


def test_secrets_do_not_show_when_settings_are_printed() -> None:
    printed = repr(Settings(pioneer_secret="ab" * 32, sample_staff_password="tell-nobody"))
    assert "abab" not in printed
    assert "tell-nobody" not in printed


def prepare(path: Path) -> None:
    folders.prepare(DataFolder(path, None))


def word(place: DataFolder, made: Iterator[str]) -> str:
    return folders.secret(place, "word", lambda: next(made))
