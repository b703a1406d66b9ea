"""`console run` on the real broker and database: starts, deaths, stops, and what it says when it cannot."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from services.adapters.postgres import connect
from services.adapters.settings import PROJECT
from tests.console_run import Console

SERVERS = ("--only", "kafka", "--only", "postgres")
MakeConsole = Callable[..., Console]


@pytest.mark.long
async def test_what_was_written_is_there_after_a_stop_and_a_start_on_other_ports(
    run_console: MakeConsole,
) -> None:
    first = run_console(*SERVERS).start().wait_ready()
    await write_note(first, "before")
    send(first, b"before")
    pids = [entry["pid"] for entry in first.running().values()]

    before = first.known()
    assert first.stop() == 0
    assert not [pid for pid in pids if psutil.pid_exists(pid)]
    assert first.running() == {}
    assert not (first.folder / "secrets" / "environment.json").exists()

    second = run_console(*SERVERS, folder=first.folder).start().wait_ready()
    assert second.known()["KAFKA_BOOTSTRAP"] != before["KAFKA_BOOTSTRAP"]
    assert second.known()["DATABASE_URL"] != before["DATABASE_URL"]
    assert await notes(second) == ["before"]
    assert received(second) == [b"before"]
    assert "made case-commands" not in second.output
    assert second.stop() == 0


async def test_broker_and_database_come_back_after_kill_9(run_console: MakeConsole) -> None:
    one = run_console(*SERVERS).start().wait_ready()
    for round_ in range(2):
        await write_note(one, f"round {round_}")
        send(one, f"round {round_}".encode())
        for name in ("kafka", "postgres"):
            kill_and_wait(one, name)
    assert await notes(one) == ["round 0", "round 1"]
    assert received(one) == [b"round 0", b"round 1"]
    assert one.stop() == 0


async def test_a_database_killed_under_open_sessions_comes_back(run_console: MakeConsole) -> None:
    """Its orphaned sessions hold the shared memory for a moment."""
    one = run_console("--only", "postgres").start().wait_ready()
    sessions = [await connect(one.known()["DATABASE_URL"]) for _ in range(5)]
    kill_and_wait(one, "postgres")
    for session in sessions:
        with contextlib.suppress(Exception):
            await session.close(timeout=1)
    assert await notes(one) == []


@pytest.mark.long
def test_a_killed_supervisor_leaves_nothing_and_the_next_start_works(run_console: MakeConsole) -> None:
    one = run_console(*SERVERS).start().wait_ready()
    pids = [entry["pid"] for entry in one.running().values()]
    assert one.process is not None
    one.process.kill()
    one.process.wait(10)
    again = run_console(*SERVERS, folder=one.folder)
    again.environment.update(
        {name: one.environment[name] for name in one.environment if name.endswith("_PORT")}
    )
    again.start().wait_ready()
    assert not [pid for pid in pids if psutil.pid_exists(pid)]
    assert again.stop(signal.SIGINT) == 0


@pytest.mark.long
def test_a_number_in_postmaster_pid_that_is_somebody_elses_does_not_hinder(run_console: MakeConsole) -> None:
    one = run_console("--only", "postgres").start().wait_ready()
    pid_file = one.folder / "postgres" / "data" / "postmaster.pid"
    lines = pid_file.read_text("utf-8").splitlines()
    assert one.stop() == 0
    stranger = psutil.Process()
    pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n", "utf-8")
    again = run_console("--only", "postgres", folder=one.folder).start().wait_ready()
    assert again.stop() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to step down")
def test_the_database_does_not_run_as_root(run_console: MakeConsole) -> None:
    one = run_console("--only", "postgres").start().wait_ready()
    assert psutil.Process(one.running()["postgres"]["pid"]).uids().effective != 0


def test_secrets_are_closed_to_others(run_console: MakeConsole) -> None:
    one = run_console("--only", "postgres").start().wait_ready()
    secrets = one.folder / "secrets"
    assert secrets.stat().st_mode & 0o077 == 0
    assert {path.name: path.stat().st_mode & 0o777 for path in secrets.iterdir()} == {
        "environment.json": 0o600,
        "pioneer_secret": 0o600,
        "postgres_password": 0o600,
        "seal_keys": 0o600,
    }


def test_a_command_in_a_second_terminal_finds_the_running_stack(run_console: MakeConsole) -> None:
    one = run_console("--only", "postgres").start().wait_ready()
    command = [sys.executable, "-m", "services.console", "city", "load", "deploy/city/wuzhong"]
    environment = {"PIONEER_DATA": str(one.folder), "PATH": os.environ["PATH"]}
    found = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=60)
    assert (found.returncode, found.stderr) == (0, "")
    assert one.stop() == 0
    (one.folder / "secrets" / "environment.json").write_text('{"DATABASE_URL": "postgresql://gone"}', "utf-8")
    missed = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=60)
    assert missed.returncode == 78
    assert "DATABASE_URL is not set" in missed.stderr
    assert "set PIONEER_DATA as it was set there" in missed.stderr


def test_servers_that_are_given_are_used_not_started(
    run_console: MakeConsole, broker: str, database_url: str
) -> None:
    one = run_console(*SERVERS, kafka_bootstrap=broker, database_url=database_url).start().wait_ready()
    assert one.running() == {}
    assert one.known()["KAFKA_BOOTSTRAP"] == broker
    assert one.known()["DATABASE_URL"] == database_url


@pytest.mark.long
def test_a_router_listens_on_its_own_hosts_ports_whoever_works_elsewhere(run_console: MakeConsole) -> None:
    """As replicas do, each on a host of its own: slots are counted over all of them, ports on each."""
    one = run_console(*SERVERS, "--only", "router").start().wait_ready()
    known = one.known()
    replica = run_console(
        "--only",
        "router",
        router_workers="2",
        kafka_bootstrap=known["KAFKA_BOOTSTRAP"],
        database_url=known["DATABASE_URL"],
    )
    replica.start().wait_ready()
    assert "not ready yet" not in replica.output
    first = int(replica.environment["ROUTER_PORT"])
    assert {name: entry["port"] for name, entry in replica.running().items()} == {
        "router": first,
        "router-2": first + 10,
    }
    assert replica.stop() == 0
    assert one.stop() == 0


@pytest.mark.long
def test_stopping_while_it_starts_leaves_nothing(run_console: MakeConsole) -> None:
    one = run_console(*SERVERS).start()
    pids = one.wait_for(lambda: [entry["pid"] for entry in running_or_none(one).values()], 30)
    assert one.stop(signal.SIGINT) == 0
    assert not [pid for pid in pids if psutil.pid_exists(pid)]


def test_a_second_start_on_the_same_folder_says_who_has_it(run_console: MakeConsole) -> None:
    one = run_console("--only", "postgres").start().wait_ready()
    assert one.process is not None
    sentence = refusal(run_console("--only", "postgres", folder=one.folder))
    assert f"(process {one.process.pid})" in sentence
    assert "PIONEER_DATA" in sentence
    assert one.stop() == 0


@pytest.mark.long
def test_a_port_that_is_taken_is_named_with_its_variable(run_console: MakeConsole) -> None:
    one = run_console(*SERVERS)
    with socket.create_server(("127.0.0.1", int(one.environment["KAFKA_PORT"]))):
        sentence = refusal(one)
    assert f"port {one.environment['KAFKA_PORT']}" in sentence
    assert f"process {os.getpid()}" in sentence
    assert "set KAFKA_PORT" in sentence


def test_a_setting_that_is_no_number_is_named(run_console: MakeConsole) -> None:
    assert "POSTGRES_PORT" in refusal(run_console(postgres_port="many"))


def test_a_download_that_fails_names_address_and_remedy(run_console: MakeConsole, tmp_path: object) -> None:
    with nothing_there() as mirror:
        sentence = refusal(
            run_console("--only", "kafka", maven_mirror=mirror, pioneer_jars=f"{tmp_path}/jars")
        )
    assert f"{mirror}/" in sentence
    assert "404" in sentence
    assert "MAVEN_MIRROR" in sentence


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to step down")
def test_a_folder_that_the_database_cannot_reach_is_refused(
    run_console: MakeConsole, tmp_path: object
) -> None:
    sentence = refusal(run_console("--only", "postgres", pioneer_data=f"{tmp_path}/data"))
    assert "nobody" in sentence
    assert "PIONEER_DATA" in sentence


@pytest.mark.long
def test_an_edited_migration_or_a_foreign_version_is_said_in_one_sentence(run_console: MakeConsole) -> None:
    one = run_console("--only", "postgres").start().wait_ready()
    assert one.stop() == 0
    (one.folder / "postgres" / "data" / "PG_VERSION").write_text("17\n", "utf-8")
    sentence = refusal(run_console("--only", "postgres", folder=one.folder))
    assert "made by PostgreSQL 17" in sentence


def refusal(one: Console) -> str:
    """The one sentence of a start that could not be, which ended with 78 and without a traceback."""
    one.start()
    assert one.process is not None
    assert one.process.wait(60) == 78, one.output
    assert "Traceback" not in one.output
    (sentence,) = [line for line in one.output.splitlines() if line.startswith("pioneer-hub: ")]
    return sentence


def running_or_none(one: Console) -> dict[str, dict[str, int]]:
    with contextlib.suppress(OSError):
        return one.running()
    return {}


def kill_and_wait(one: Console, name: str) -> None:
    """kill -9, until another process of that name is said to be ready."""
    before, said = one.running()[name]["pid"], one.output.count(f"{name:<11}| ready again")
    os.kill(before, signal.SIGKILL)
    one.wait_for(lambda: one.output.count(f"{name:<11}| ready again") > said, 30)
    assert one.running()[name]["pid"] != before


async def write_note(one: Console, text: str) -> None:
    connection = await connect(one.known()["DATABASE_URL"])
    try:
        await connection.execute("CREATE TABLE IF NOT EXISTS notes (number serial, text text)")
        await connection.execute("INSERT INTO notes (text) VALUES ($1)", text)
    finally:
        await connection.close()


async def notes(one: Console) -> list[str]:
    connection = await connect(one.known()["DATABASE_URL"])
    try:
        if await connection.fetchval("SELECT to_regclass('notes')") is None:
            return []
        return [row["text"] for row in await connection.fetch("SELECT text FROM notes ORDER BY number")]
    finally:
        await connection.close()


def send(one: Console, value: bytes) -> None:
    producer = KafkaProducer(
        bootstrap_servers=one.known()["KAFKA_BOOTSTRAP"], acks="all", enable_idempotence=False
    )
    try:
        producer.send("reports", value, partition=0).get(timeout=20)
    finally:
        producer.close(timeout=5)


def received(one: Console) -> list[bytes]:
    consumer = KafkaConsumer(
        bootstrap_servers=one.known()["KAFKA_BOOTSTRAP"], auto_offset_reset="earliest", group_id=None
    )
    try:
        place = TopicPartition("reports", 0)
        consumer.assign([place])
        end = consumer.end_offsets([place])[place]
        values: list[bytes] = []
        while len(values) < end:
            for records in consumer.poll(timeout_ms=500).values():
                values += [record.value for record in records]
        return values
    finally:
        consumer.close()


@contextlib.contextmanager
def nothing_there() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()
