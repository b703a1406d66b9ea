"""docker-compose.yml speaks the project's own words: its settings, its rooms, its ports, its lock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from services.adapters.settings import Settings
from services.console.stack import PARTS

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
ROOMS = {"intake": 8000, "board": 8001, "router": 9101, "timekeeper": 9102}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_runs_alone_and_is_given_only_settings_that_exist(room: str) -> None:
    service = COMPOSE["services"][room]
    assert service["command"] == ["run", "--only", room]
    assert room in PARTS
    assert {name.lower() for name in service["environment"]} <= Settings.model_fields.keys()


def test_three_brokers_with_addresses_the_rooms_know() -> None:
    brokers = [name for name in COMPOSE["services"] if name.startswith("kafka-")]
    assert COMPOSE["x-room"]["environment"]["KAFKA_BOOTSTRAP"] == ",".join(f"{name}:9092" for name in brokers)
    assert {COMPOSE["services"][name]["environment"]["KAFKA_NODE_ID"] for name in brokers} == {"1", "2", "3"}
    assert COMPOSE["x-kafka"]["environment"]["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def test_prometheus_scrapes_every_room_on_its_port() -> None:
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    text = str(config["scrape_configs"])
    for room, port in ROOMS.items():
        assert f"{room}:{port}" in text or (f"'{room}'" in text and f"'port': {port}" in text)


def test_the_image_installs_the_lock_with_hashes_and_copies_what_is_there() -> None:
    lines = (ROOT / "deploy/Dockerfile").read_text().splitlines()
    assert any("--require-hashes" in line and "lock/run.txt" in line for line in lines)
    for line in lines:
        if line.startswith("COPY "):
            assert (ROOT / line.split()[1]).exists(), line
