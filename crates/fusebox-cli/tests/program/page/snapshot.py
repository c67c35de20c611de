"""Keeps a picture of what is seen."""

import io
import os

from PIL import Image

MOST_BYTES = 150_000


def save(seen, name):
    folder = os.environ.get("FUSEBOX_PICTURES") or os.environ["LEFTOVERS"]
    path = os.path.join(folder, f"{name}.png")
    taken = Image.open(io.BytesIO(seen.screenshot(animations="disabled", caret="hide")))
    # A page has few colours: two hundred and fifty-six tell all of them.
    taken.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    size = os.path.getsize(path)
    print(f"{path}: {size / 1000:.0f} kB")
    assert 5_000 < size <= MOST_BYTES, (path, size)
