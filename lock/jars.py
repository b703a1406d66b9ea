"""Writes lock/jars.txt: the broker's jars, as `sha256  path below the Maven repository`. `make lock` runs it.

The two roots are resolved as two endpoints: in one, log4j's own version table would pull kafka-clients and
Jackson back to old releases. What `make run` downloads is this list, byte for byte; nothing is resolved then.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from pathlib import Path

from jgo.env import EnvironmentBuilder, LinkStrategy
from jgo.maven import MavenContext, PythonResolver

ROOTS = ("org.apache.kafka:kafka_2.13:4.3.1", "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4")


def main(target: Path, mirror: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        repository = Path(folder, "repository")
        context = MavenContext(
            repo_cache=repository, resolver=PythonResolver(), remote_repos={"mirror": mirror}, timeout=60
        )
        chosen: dict[str, Path] = {}
        for root in ROOTS:
            builder = EnvironmentBuilder(
                context=context, link_strategy=LinkStrategy.COPY, cache_dir=Path(folder, "environments")
            )
            for jar in builder.from_endpoint(root).all_jars:
                (path,) = repository.rglob(jar.name)
                artifact = path.parent.parent.relative_to(repository).as_posix()
                known = chosen.setdefault(artifact, path)
                if known != path:
                    print(f"{artifact}: {known.parent.name} stays, {root} would have {path.parent.name}")
        lines = [
            f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(repository).as_posix()}\n"
            for path in sorted(chosen.values())
        ]
    target.write_text("".join(lines), "utf-8")
    print(f"{target}: {len(lines)} jars")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "https://repo1.maven.org/maven2")
