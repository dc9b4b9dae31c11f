"""What sending costs without us: aiosmtplib's `sendmail` on connections that are kept.

The letter is complete before it begins, the same bytes for everybody, and nothing is written
down. Run as `python -m bench.plain PORT`; it begins when it gets a line.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

import aiosmtplib

from bench import frame, post
from bench.running import run


@dataclass(frozen=True)
class Errand:
    port: int
    connections: int
    message: bytes
    people: Iterator[int]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("port", type=int)
    arguments.add_argument("--letters", type=int, default=1000)
    arguments.add_argument("--kilobytes", type=int, default=10)
    arguments.add_argument("--connections", type=int, default=16)
    chosen = arguments.parse_args()
    people = iter(range(1, chosen.letters + 1))
    errand = Errand(chosen.port, chosen.connections, post.message(chosen.kilobytes), people)
    frame.told_to_begin()
    start_up, began = frame.processor(), time.perf_counter()
    run(send(errand))
    found = {
        "seconds": time.perf_counter() - began,
        "processor": frame.processor() - start_up,
        "start_up": start_up,
        "megabytes": frame.peak(),
    }
    print(json.dumps(found), flush=True)


async def send(errand: Errand) -> None:
    async with asyncio.TaskGroup() as tasks:
        for _ in range(errand.connections):
            tasks.create_task(_keep_sending(errand))


async def _keep_sending(errand: Errand) -> None:
    client = aiosmtplib.SMTP(hostname="127.0.0.1", port=errand.port, use_tls=False, start_tls=False)
    async with client:
        for number in errand.people:
            await client.sendmail(
                "bench@letters.example.org", [f"reader{number}@example.org"], errand.message
            )


if __name__ == "__main__":
    main()
