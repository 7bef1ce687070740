"""Text is recognised in pictures of every kind, offline, with bounded means.

The models are loaded once, in this process; what the confined process does with them is in `test_scans.py`.
"""

import json
import random
import subprocess
import sys

import pytest
from PIL import Image

from retrieval.parsing.limits import Limits
from retrieval.parsing.picture import pictures
from retrieval.parsing.recognition import Recogniser
from tests.engine.server import ROOT
from tests.fakes.scans import draw_on, page, picture

WORDS = "Boots may be sent back\nwithin twenty one days."


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    return Recogniser(threads=1)


def read(recogniser: Recogniser, content: bytes, number: int = 1) -> str:
    return recogniser.text(pictures(content, Limits())(number))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "BMP"])
def test_a_picture_of_each_kind_is_read(recogniser: Recogniser, kind: str) -> None:
    assert read(recogniser, picture(page(WORDS), kind)) == WORDS


@pytest.mark.parametrize("degrees", [90, 180, 270, 3])
def test_a_page_that_lies_askew_is_read(recogniser: Recogniser, degrees: int) -> None:
    turned = page(WORDS).rotate(degrees, expand=True, fillcolor=255, resample=Image.Resampling.BICUBIC)

    assert read(recogniser, picture(turned)) == WORDS


def test_two_columns_are_read_one_after_the_other(recogniser: Recogniser) -> None:
    left = (
        "The first column of these begins\nand it goes on for a little while\nuntil there it has come to its end."
    )
    right = "Then the second column is read\nfrom where it starts at the top\nall the way down to its bottom."
    paper = page("What we take back and what we do not take back", size=(1200, 420))
    draw_on(paper, left, top=200)
    draw_on(paper, right, left=660, top=200)

    assert read(recogniser, picture(paper)).splitlines()[1:] == [*left.splitlines(), *right.splitlines()]


def test_a_photograph_is_turned_as_its_camera_says(recogniser: Recogniser) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise (Exif 2.3, 4.6.4)
    lying = page(WORDS).rotate(90, expand=True)

    assert read(recogniser, picture(lying, "JPEG", exif=exif)) == WORDS


def test_black_on_nothing_is_read_as_black_on_white(recogniser: Recogniser) -> None:
    clear = Image.new("LA", (900, 420), (0, 0))
    clear.putalpha(page(WORDS).point(lambda grey: 255 - grey))

    assert read(recogniser, picture(clear)) == WORDS


def test_sixteen_bits_of_grey_are_read(recogniser: Recogniser) -> None:
    deep = page(WORDS, paper=200).convert("I").point(lambda grey: grey * 256).convert("I;16")

    assert read(recogniser, picture(deep)) == WORDS


def test_a_large_picture_and_a_slender_one_are_brought_within_bounds(recogniser: Recogniser) -> None:
    large = pictures(picture(page("Words", size=(6000, 3000))), Limits())(1)
    slender = pictures(picture(page("", size=(30_000, 10))), Limits())(1)

    assert large.width * large.height <= 2_200_000
    assert slender.size == (2_960, 740)
    assert recogniser.text(slender) == ""


def test_a_pattern_is_not_taken_for_text(recogniser: Recogniser) -> None:
    noise = Image.frombytes("L", (400, 400), random.Random(4).randbytes(160_000))

    assert read(recogniser, picture(noise)) == ""


_OFFLINE = """
import json, sys
asked = []
sys.addaudithook(lambda event, arguments: asked.append(event) if event.startswith("socket.") else None)
opened = []
def opening(event, arguments):
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        opened.append(str(arguments[0]))
sys.addaudithook(opening)
from retrieval.parsing.recognition import Recogniser
from tests.fakes.scans import page
words = Recogniser(threads=1).text(page("Boots").convert("RGB"))
reached = [event for event in asked if event not in ("socket.__new__", "socket.bind", "socket.gethostname")]
print(json.dumps({"words": words, "reached": reached, "written": opened}))
"""


def test_recognition_asks_no_network_and_writes_nothing() -> None:
    done = subprocess.run([sys.executable, "-B", "-c", _OFFLINE], cwd=ROOT, capture_output=True, check=True)

    assert json.loads(done.stdout) == {"words": "Boots", "reached": [], "written": []}


def test_the_models_are_those_of_the_package_and_their_threads_are_bounded(recogniser: Recogniser) -> None:
    assert read(recogniser, picture(page(WORDS))) == WORDS  # a model is loaded when it is first needed
    engine = recogniser._engine

    for stage in (engine.text_det, engine.text_cls, engine.text_rec):
        options = stage.session.session.get_session_options()
        assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)
