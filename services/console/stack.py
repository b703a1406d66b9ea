"""Stack: the order in which the house comes up, and down again.

Up, each step by readiness: downloads, broker and database; migrations and topics; the city and its sample
staff; the rooms. Down in reverse. A broker or database that is given (KAFKA_BOOTSTRAP, DATABASE_URL) is used.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final

from services.adapters import kafka_admin, migrations, staff
from services.adapters.children import Child, ChildSpec
from services.adapters.embedded import downloads, kafka, ports, postgres, running
from services.adapters.embedded.cannot_start import CannotStart
from services.adapters.embedded.folder import DataFolder
from services.adapters.settings import PROJECT, Settings
from services.console import recount
from services.console.room_ports import PORTS_APART, demand_ports, room_port
from services.console.screen import Screen
from services.domain.city_problems import CityProblems

ROOMS: Final = ("intake", "board", "router", "timekeeper")
PARTS: Final = ("kafka", "postgres", *ROOMS)

# The group of the router workers, asked about so that the first of them finds it coordinated.
_ROUTERS: Final = "pioneer-router"
DEMO_SPEED: Final = "15"
"""A quarter of an hour's reports within a minute."""

_SERVER_SECONDS: Final = 60.0
_ROOM_SECONDS: Final = 60.0


class Stack:
    def __init__(self, settings: Settings, folder: DataFolder, screen: Screen, parts: Sequence[str]) -> None:
        self.settings = settings
        self.folder = folder
        self.screen = screen
        self.parts = parts
        self.password: str | None = None
        """Of the sample staff, when it was made just now."""
        self.not_ready: list[str] = []
        self._loaded: recount.Loaded | None = None
        self._groups: list[list[Child]] = []
        self._stop_downloads = threading.Event()
        self._starts_kafka = "kafka" in parts and settings.kafka_bootstrap is None
        self._starts_postgres = "postgres" in parts and settings.database_url is None
        self._rooms = [room for room in ROOMS if room in parts]

    async def up(self) -> None:
        self._write_run()
        await demand_ports(
            self.settings, self._rooms, kafka=self._starts_kafka, postgres=self._starts_postgres
        )
        bootstrap = self.settings.kafka_bootstrap or kafka.bootstrap(self.settings)
        database_url = self.settings.database_url or postgres.database_url(self.settings, self.folder)
        servers: list[Child] = []
        self._groups.append(servers)
        async with _together() as both:
            if self._starts_kafka:
                both.create_task(self._start_kafka(servers))
            if self._starts_postgres:
                both.create_task(self._start_postgres(servers))
        async with _together() as both:
            if self._rooms or self._starts_postgres:
                both.create_task(self._migrate(database_url))
            if self._rooms or self._starts_kafka:
                both.create_task(self._make_topics(bootstrap))
        known = running.addresses_and_secrets(
            self.settings, self.folder, kafka_bootstrap=bootstrap, database_url=database_url
        )
        if self._rooms:
            await self._load_city(database_url)
            await self._start_rooms(running.room_environment(known))
        running.remember(self.folder, known)
        if self._loaded is not None:
            # the house is up: dues that were counted over predicted days may have to move, and those that a
            # start before this one did not come to
            for line in await recount.at_start(self._loaded, self.settings, bootstrap, database_url):
                self.screen.say("calendar", line)

    def play(self, file: Path) -> None:
        """Play a file of reports through the public door, as `console feed` does in a second terminal."""
        url = f"http://{self.settings.host}:{self.settings.intake_port}"
        child = self._child(
            ChildSpec(
                name="feed",
                command=[
                    sys.executable,
                    "-m",
                    "services.console",
                    "feed",
                    str(file.absolute()),
                    "--url",
                    url,
                    "--speed",
                    DEMO_SPEED,
                ],
                environment=running.room_environment({}),
                ready=lambda: asyncio.sleep(0, True),
                folder=PROJECT,
                once=True,
            )
        )
        self._groups.append([child])
        child.start()

    async def down(self) -> None:
        """Rooms before servers, the doors first: nothing new comes in while the last is worked off."""
        self._stop_downloads.set()
        for group in reversed(self._groups):
            await asyncio.gather(*(child.stop() for child in group))
        running.forget(self.folder)
        self._write_run()

    def kill(self) -> None:
        self._stop_downloads.set()
        for group in self._groups:
            for child in group:
                child.kill()

    async def _start_kafka(self, servers: list[Child]) -> None:
        folder = kafka.jars_folder(self.settings, self.folder)
        jars = downloads.read_lock()
        absent = await asyncio.to_thread(downloads.missing, jars, folder)
        if absent:
            mirror = self.settings.maven_mirror
            self.screen.say("kafka", f"downloading {len(absent)} of {len(jars)} jars from {mirror}")
            with self.screen.download_bar("kafka", len(absent)) as progress:
                await asyncio.to_thread(
                    downloads.fetch,
                    absent,
                    folder,
                    mirror=mirror,
                    stop=self._stop_downloads,
                    progress=progress,
                )
        await self._start_server(await kafka.prepare(self.settings, self.folder, folder), servers)

    async def _start_postgres(self, servers: list[Child]) -> None:
        await self._start_server(await postgres.prepare(self.settings, self.folder), servers)

    async def _start_server(self, spec: ChildSpec, servers: list[Child]) -> None:
        child = self._child(spec)
        servers.append(child)
        loop = asyncio.get_running_loop()
        started = loop.time()
        child.start()
        if not await child.wait_ready(_SERVER_SECONDS, first=True):
            said = f"; it last said: {child.last_line}" if child.last_line else ""
            raise CannotStart(
                f"{spec.name} was not ready after {loop.time() - started:.0f} s{said}"
                f" (its log is in {self.folder.path / 'logs' / spec.name})"
            )
        self.screen.say(spec.name, f"ready on port {spec.port} after {loop.time() - started:.1f} s")

    async def _migrate(self, database_url: str) -> None:
        try:
            for name in await migrations.migrate(database_url):
                self.screen.say("migrations", f"applied {name}")
            await postgres.demand_locale(database_url)
        except migrations.MigrationError as problem:
            raise CannotStart(f"the database cannot be migrated: {problem}") from problem
        except (OSError, TimeoutError) as problem:
            raise CannotStart(
                f"the database of DATABASE_URL does not answer ({problem}): is it up?"
            ) from problem

    async def _make_topics(self, bootstrap: str) -> None:
        try:
            made = await asyncio.to_thread(
                kafka_admin.create_topics, bootstrap, replication=self.settings.kafka_replication
            )
            await asyncio.to_thread(kafka_admin.wait_for_group, bootstrap, _ROUTERS)
        except kafka_admin.BrokerError as problem:
            raise CannotStart(f"the broker at {bootstrap} made no topics ({problem}): is it up?") from problem
        if made:
            self.screen.say("topics", f"made {', '.join(made)}")

    async def _load_city(self, database_url: str) -> None:
        folder = self.settings.city_folder
        try:
            loaded = await recount.load(database_url, folder.absolute())
        except CityProblems as wrong:
            first, *others = wrong.problems
            more = f" (and {len(others)} more: `console city check {folder}`)" if others else ""
            raise CannotStart(f"the city {folder} cannot be loaded: {first}{more}") from wrong
        self.screen.say("city", f"version {loaded.version} of {folder.name} is active")
        self._loaded = loaded
        password = self.settings.sample_staff_password
        # Accounts whose names anybody can guess come with the sample city or when asked for, never otherwise.
        if password is not None or "city_folder" not in self.settings.model_fields_set:
            self.password = await staff.ensure_sample_staff(database_url, password)

    async def _start_rooms(self, environment: dict[str, str]) -> None:
        # The router first and down last: what the doors have taken in is worked off.
        for group in (("router",), ("intake", "board", "timekeeper")):
            children = [
                self._child(self._room(room, index, environment))
                for room in group
                if room in self._rooms
                for index in range(self.settings.router_workers if room == "router" else 1)
            ]
            self._groups.append(children)
            for child in children:
                child.start()
        rooms = [child for group in self._groups[1:] for child in group]
        ready = await asyncio.gather(*(child.wait_ready(_ROOM_SECONDS, first=True) for child in rooms))
        self.not_ready = [
            child.spec.name for child, is_ready in zip(rooms, ready, strict=True) if not is_ready
        ]

    def _room(self, room: str, index: int, environment: dict[str, str]) -> ChildSpec:
        """`index` counts a room's processes on this host; a router's slot counts them on all hosts."""
        port = room_port(self.settings, room) + PORTS_APART * index
        return ChildSpec(
            name=room if index == 0 else f"{room}-{index + 1}",
            command=[sys.executable, "-m", f"services.{room}"],
            environment={**environment, f"{room.upper()}_PORT": str(port)},
            ready=lambda: ports.says_ready(self.settings.host, port),
            folder=PROJECT,
            port=port,
        )

    def _child(self, spec: ChildSpec) -> Child:
        return Child(spec, self.screen.say, self._write_run)

    def _write_run(self) -> None:
        running.write_run(self.folder, [child for group in self._groups for child in group])


@contextlib.asynccontextmanager
async def _together() -> AsyncIterator[asyncio.TaskGroup]:
    """A TaskGroup whose first problem comes out as itself: people read one sentence, not a group."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as problems:
        raise problems.exceptions[0] from None
