"""Photos of visits: rows with hashes (`zhaopian.csv`), and a few hundred real files."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image, ImageDraw, ImageFilter

from migration.sample.calendar import days_of
from migration.sample.columns import Column, day, join, moment, number, values_at
from migration.sample.dirt import Truth, choose
from migration.sample.files import CsvFile
from migration.sample.home_service import Orders
from migration.sample.volumes import Volumes

FILE, FOLDER = "zhaopian.csv", "zhaopian"
COLUMNS = ("ZPBH", "DDBH", "ZPLX", "PSSJ", "WJLJ", "WJDX", "SHA256")
BEFORE, DURING, AFTER = 1, 2, 3
_SIZE = (480, 360)
_CHUNK = 400_000
_THIRD_PHOTO_SHARE = 0.15


def write_photos(directory: Path, orders: Orders, volumes: Volumes, truth: Truth, random: np.random.Generator) -> int:
    """Writes `zhaopian.csv` (a photo before and one after each visit, sometimes one during it) and the latest files.

    The files of older photos are not part of the export, as they are not on the old platform's disk either: their rows
    carry a hash all the same.
    """
    visits = orders.took_place
    each = np.where(random.random(len(visits)) < _THIRD_PHOTO_SHARE, 3, 2)
    order = np.repeat(visits, each)
    nth = np.arange(len(order)) - np.repeat(np.cumsum(each) - each, each)
    last = np.repeat(each, each) - 1
    moment_code = np.where(nth == 0, BEFORE, np.where(nth == last, AFTER, DURING))
    taken = np.select(
        [moment_code == BEFORE, moment_code == AFTER],
        [
            orders.started[order] - random.integers(5, 120, len(order)),
            orders.finished[order] + random.integers(5, 120, len(order)),
        ],
        (orders.started[order] + orders.finished[order]) // 2,
    )
    count = len(order)
    stored = np.arange(count - min(volumes.photo_files, count), count)
    reused = choose("photo_reused", np.arange(3, count - len(stored)), random, of=count)
    # One in a hundred of the reused lies among the files, so that the files show it too.
    reused = np.union1d(reused, random.choice(stored[10:], max(2, len(stored) // 80), replace=False))
    source = np.where(reused >= stored[0], stored[0] + (reused % 10), reused - 1 - reused % np.minimum(reused, 400))
    other_visit = (order[source] != order[reused]) & ~np.isin(source, reused)
    reused, source = reused[other_visit], source[other_visit]
    keys = join("ZP", number(np.arange(1, count + 1), 9))
    truth.add("photo_reused", FILE, "", "SHA256", values_at(keys, reused), None, values_at(keys, source))
    (directory / FOLDER).mkdir()
    numbers = orders.numbers()
    paths = join(
        f"{FOLDER}/", day(days_of(taken), "%Y%m"), "/", numbers.take(pa.array(order)), "_", number(nth + 1), ".jpg"
    )
    hashes, sizes = _draw_files(
        directory, stored, values_at(paths, stored), dict(zip(reused.tolist(), source.tolist(), strict=True)), random
    )
    digests = random.integers(0, 256, (count, 32), dtype=np.uint8)
    digests[stored] = hashes
    outside = reused < stored[0]
    digests[reused[outside]] = digests[source[outside]]
    bytes_ = random.integers(14_000, 39_000, count)
    bytes_[stored] = sizes
    bytes_[reused[outside]] = bytes_[source[outside]]
    with CsvFile(directory / FILE, COLUMNS) as target:
        for start in range(0, count, _CHUNK):
            part = slice(start, min(start + _CHUNK, count))
            length = part.stop - part.start
            target.write(
                {
                    "ZPBH": keys.slice(start, length),
                    "DDBH": numbers.take(pa.array(order[part])),
                    "ZPLX": number(moment_code[part]),
                    "PSSJ": moment(taken[part]),
                    "WJLJ": paths.slice(start, length),
                    "WJDX": number(bytes_[part]),
                    "SHA256": hex_texts(digests[part]),
                }
            )
        return target.rows


def hex_texts(digests: np.ndarray) -> Column:
    """(n, 32) bytes as 64 hexadecimal digits each."""
    digits = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
    characters = np.empty((len(digests), digests.shape[1] * 2), dtype=np.uint8)
    characters[:, 0::2], characters[:, 1::2] = digits[digests >> 4], digits[digests & 15]
    offsets = np.arange(len(digests) + 1, dtype=np.int32) * characters.shape[1]
    return pa.StringArray.from_buffers(len(digests), pa.py_buffer(offsets), pa.py_buffer(characters.ravel()))


def _draw_files(
    directory: Path, stored: np.ndarray, paths: list[str], reused: dict[int, int], random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Writes a JPEG per stored photo; hashes (n, 32) and sizes. A reused one holds the bytes of its source."""
    hashes, sizes = np.zeros((len(stored), 32), dtype=np.uint8), np.zeros(len(stored), dtype=np.int64)
    contents: dict[int, bytes] = {}
    for position, path in zip(stored.tolist(), paths, strict=True):
        data = contents.get(reused.get(position, -1)) or scene_jpeg(random)
        contents[position] = data
        target = directory / path
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(data)
        rank = position - int(stored[0])
        hashes[rank] = np.frombuffer(hashlib.sha256(data).digest(), dtype=np.uint8)
        sizes[rank] = len(data)
    return hashes, sizes


def scene_jpeg(random: np.random.Generator) -> bytes:
    """A drawn room with furniture, people and light that differ from picture to picture; 480 × 360, below 40 kB."""
    width, height = _SIZE
    wall, floor = _colour(random, 150, 240), _colour(random, 80, 170)
    image = Image.new("RGB", _SIZE, wall)
    draw = ImageDraw.Draw(image)
    horizon = int(random.integers(190, 270))
    draw.rectangle((0, horizon, width, height), fill=floor)
    for x in range(0, width, int(random.integers(40, 90))):
        draw.line((x, horizon, x + int(random.integers(-80, 80)), height), fill=_shade(floor, 0.85), width=2)
    for _ in range(int(random.integers(1, 3))):  # windows or pictures
        x, y = int(random.integers(10, 360)), int(random.integers(15, 90))
        w, h = int(random.integers(50, 120)), int(random.integers(50, 100))
        draw.rectangle((x, y, x + w, y + h), fill=_colour(random, 120, 255), outline=_colour(random, 40, 120), width=5)
        draw.line((x + w // 2, y, x + w // 2, y + h), fill=_colour(random, 40, 120), width=4)
    for _ in range(int(random.integers(2, 5))):  # furniture
        x, w = int(random.integers(-30, 400)), int(random.integers(70, 190))
        y = horizon - int(random.integers(20, 90))
        colour = _colour(random, 50, 190)
        draw.rounded_rectangle(
            (x, y, x + w, y + int(random.integers(60, 130))), 8, fill=colour, outline=_shade(colour, 0.6), width=3
        )
    for _ in range(int(random.integers(1, 3))):  # people
        x, y = int(random.integers(80, 400)), horizon - int(random.integers(70, 120))
        clothes = _colour(random, 40, 220)
        draw.ellipse((x - 19, y - 24, x + 19, y + 22), fill=(214, 176, 148))
        draw.pieslice((x - 21, y - 29, x + 21, y + 14), 180, 360, fill=_colour(random, 60, 210))
        draw.rounded_rectangle((x - 33, y + 20, x + 33, y + 125), 16, fill=clothes)
        draw.line((x - 30, y + 40, x - 62, y + 95), fill=clothes, width=15)
        draw.line((x + 30, y + 40, x + 62, y + int(random.integers(70, 110))), fill=clothes, width=15)
    noise = random.normal(0, 6, (height // 4, width // 4, 1))
    grain = np.clip(np.asarray(image.resize((width // 4, height // 4)), dtype=float) + noise, 0, 255).astype(np.uint8)
    image = Image.blend(image, Image.fromarray(grain).resize(_SIZE), 0.35).filter(ImageFilter.GaussianBlur(0.8))
    light = 0.75 + 0.5 * float(random.random())
    image = image.point([min(255, int(value * light)) for value in range(256)] * 3)
    target = io.BytesIO()
    image.save(target, "JPEG", quality=72)
    return target.getvalue()


def _colour(random: np.random.Generator, low: int, high: int) -> tuple[int, int, int]:
    red, green, blue = random.integers(low, high, 3).tolist()
    return red, green, blue


def _shade(colour: tuple[int, int, int], factor: float) -> tuple[int, int, int]:
    red, green, blue = (int(channel * factor) for channel in colour)
    return red, green, blue
