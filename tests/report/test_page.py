"""The page of a run: what stands on it, whatever is in the run's folder, and that nothing of it can act."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from logan.cli.main import main
from logan.errors import InputError
from logan.report import looks, material, page
from logan.report.networks_of import look_at

from . import synthetic

VOID = {"meta", "link", "img", "input", "line", "path", "circle"}
ALLOWED = set(
    """html head meta title link style body a header p h1 h2 h3 span dl div dt dd nav ul ol li main section figure figcaption img
    button label input output svg line text path circle g table caption thead tbody tr th td b code pre details summary footer
    script noscript""".split()
)
SECTIONS = ["Samples over time", "Curves", "The latent step at work", "Truncation and interpolation", "Nearest training images",
            "Warnings of the watch", "How it was trained"]  # fmt: skip


class Seen(HTMLParser):
    """Elements and texts; asserts that every element that is opened is closed where it should be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict]] = []
        self.open: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, name, attributes):
        self.elements.append((name, dict(attributes)))
        if name not in VOID:
            self.open.append(name)

    def handle_startendtag(self, name, attributes):
        self.elements.append((name, dict(attributes)))

    def handle_endtag(self, name):
        assert self.open.pop() == name

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else "", data))

    def all(self, name):
        return [attributes for found, attributes in self.elements if found == name]

    def text(self, *names):
        return " ".join(data for name, data in self.texts if not names or name in names)


def made(*paths, **how):
    return page.page([material.read(p) for p in paths], [look_at(p, "cpu") for p in paths], **how)


def assert_harmless(text: str) -> Seen:
    r"""Two scripts, of which one is data; no handlers, no styles in elements, nothing that is elsewhere."""
    seen = Seen(text)
    scripts = seen.all("script")
    assert [s.get("type") for s in scripts] == ["application/json", None]
    assert len(seen.all("style")) == 1
    for name, attributes in seen.elements:
        for key, value in attributes.items():
            assert not key.startswith("on"), (name, key)
            assert key not in ("style", "srcset", "action", "background"), (name, key)
            if key in ("src", "href", "xlink:href"):
                assert value.startswith(("data:image/", "data:,", "#")), value[:80]
    assert {name for name, _ in seen.elements} <= ALLOWED
    policy = next(m["content"] for m in seen.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy
    json.loads(next(data for name, data in seen.texts if name == "script"))
    return seen


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return synthetic.add_networks(synthetic.folder(tmp_path_factory.mktemp("runs") / "00000-digits-ngd"))


@pytest.fixture(scope="module")
def text(run):
    return made(run)


def test_what_stands_on_it(text):
    seen = assert_harmless(text)
    assert [data for name, data in seen.texts if name == "h2"] == SECTIONS
    assert {a["href"] for a in seen.all("a")} >= {f"#{name}" for name in page.SECTIONS}
    assert {e.get("id") for _, e in seen.elements} >= set(page.SECTIONS)
    assert all(image["alt"] and int(image["width"]) and int(image["height"]) for image in seen.all("img"))
    assert all(svg.get("aria-label") or svg.get("aria-hidden") for svg in seen.all("svg"))
    charts = {data for name, data in seen.texts if name == "h3"}
    assert {
        "Losses",
        "Mean scores",
        "D's lead",
        "‖g‖²",
        "‖Δz‖",
        "Diversity",
        "Training speed",
        "FID (classifier)",
    } <= charts
    words = seen.text()
    for expected in ("natural gradient descent on z", "α = 0.9", "finished: 40 kimg", "no alarm", "logan train --preset digits",
                     "--width 8", "10 steps", "s = 0.25", "nearest training images"):  # fmt: skip
        assert expected in words, expected
    frames = json.loads(next(data for name, data in seen.texts if name == "script"))["frames"]
    assert [kimg for kimg, _ in frames[0]] == [0, 13, 27, 40]
    assert 'http-equiv="refresh"' not in text


@pytest.mark.parametrize(
    ("detectors", "called"),
    [
        (("inception",), "FID (Inception)"),
        (("efficientnet-lite0",), "FD (EfficientNet-Lite0)"),
        (("classifier", "efficientnet-lite0"), "FD (classifier, then EfficientNet-Lite0)"),
        ((), "FID (detector not recorded)"),
    ],
)
def test_no_score_without_its_detector(tmp_path, detectors, called):
    """On its card, its curve, and in the table of several runs."""
    run = material.read(synthetic.folder(tmp_path / "run", detectors=detectors))
    seen = looks.none("")
    texts = assert_harmless(page.page([run], [seen])).texts
    assert [name for name, data in texts if data == called] == ["dt", "h3"]
    assert ("By " in "".join(data for _, data in texts if "Lower is better" in data)) == bool(detectors)
    both = assert_harmless(page.page([run, run], [seen, seen])).text()
    assert f"{called}, 1k samples, last" in both
    assert f"{called} 61 at 40 kimg" in both


def test_scores_by_different_detectors_are_not_drawn_together(tmp_path):
    runs = [material.read(synthetic.folder(tmp_path / name, detectors=(name,))) for name in ("classifier", "inception")]
    text = assert_harmless(page.page([*runs, runs[0]], [looks.none("")] * 3))
    charts = [data for name, data in text.texts if name == "h3" and data.startswith("FID")]
    assert charts == ["FID (classifier)", "FID (Inception)"]


def test_it_is_the_same_every_time(run, text):
    assert made(run) == text


def test_a_live_page_looks_again(run):
    text = made(run, live=7.0)
    assert '<noscript><meta http-equiv="refresh" content="7"/></noscript>' in text
    assert '"live":7.0' in text


HOSTILE = [
    '</script><img src=x onerror="alert(1)">',
    '"><svg onload=alert(1)>',
    "]]></style><script>alert(1)</script><!--",
    "' onmouseover='alert(1)' x='",
    "javascript:alert(1)//\u202e\x00\udcff",
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
]


@pytest.mark.parametrize("evil", HOSTILE)
def test_a_strangers_run_cannot_act(tmp_path, evil):
    """In every place that a page takes words from: names, settings, alarms, scores, environment, classes."""
    config = synthetic.small()
    path = synthetic.folder(
        tmp_path / evil.replace("/", "⁄").replace("\0", ""),
        config,
        alarms=[{"alarm": evil, "since": 3, "what": evil}],
        scores=(evil, "fid1k"),
        detectors=(evil,),
    )
    synthetic.add_networks(path, config, classes=2, names=[evil, evil])
    options = json.loads((path / "training_options.json").read_text())
    options["preset"] = options["data"]["data"] = options["networks"]["network"] = options["game"]["loss"] = evil
    options[evil] = {evil: evil}
    (path / "training_options.json").write_text(json.dumps(options))
    (path / "environment.json").write_text(json.dumps({evil: evil, "torch": [evil]}))
    run, seen = material.read(path), look_at(path, "cpu")
    for number in (1, 2):
        assert "alert(1)" in assert_harmless(page.page([run] * number, [seen] * number)).text()


def damaged(kind):
    def spoil(path):
        if kind == "nothing but pictures":
            for file in path.iterdir():
                if not file.name.startswith("fakes"):
                    file.unlink()
        elif kind == "a log that is no log":
            bad = [
                '{"kimg": "x"}',
                "[1]",
                '{"kimg": 1e999}',
                '{"kimg": -1}',
                "not json",
                '{"kimg": 1, "metrics": 3, "alarms": [1]}',
            ]
            (path / "stats.jsonl").write_text("\n".join(bad))
        elif kind == "settings of another version":
            options = json.loads((path / "training_options.json").read_text())
            options["latent"]["not_yet_known"] = 3
            (path / "training_options.json").write_text(json.dumps(options))
        elif kind == "settings that are none":
            (path / "training_options.json").write_text(
                '{"latent": 3, "run": [], "data": null, "game": {"loss": {"a": 1}}}'
            )
        elif kind == "settings cut short":
            (path / "training_options.json").write_text('{"latent": {')
        elif kind == "pictures that are none":
            for i, file in enumerate(sorted(path.glob("fakes*.png"))):
                file.write_bytes(b"" if i % 2 else file.read_bytes()[:60])
        elif kind == "a best that is none":
            (path / "best.json").write_text('{"by": 3, "kimg": "x", "scores": []}')
        elif kind == "a damaged snapshot":
            next(path.glob("*.safetensors")).write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
        elif kind == "an environment that is none":
            (path / "environment.json").write_text("[]")
        else:
            raise AssertionError(kind)

    return spoil


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("nothing but pictures", "There is no training_options.json"),
        ("a log that is no log", "Losses"),
        ("settings of another version", "not_yet_known"),
        ("settings that are none", "not those of this version"),
        ("settings cut short", "The settings cannot be read"),
        ("pictures that are none", "There are no pictures of samples"),
        ("a best that is none", "What is missing"),
        ("a damaged snapshot", "there are no networks to look at"),
        ("an environment that is none", "environment.json cannot be read"),
    ],
)
def test_what_is_missing_is_said_and_the_rest_is_shown(tmp_path, kind, said):
    path = synthetic.add_networks(synthetic.folder(tmp_path / "run"))
    damaged(kind)(path)
    run, looked = material.read(path), look_at(path, "cpu")
    seen = assert_harmless(page.page([run], [looked]))
    assert (said in seen.text()) == (kind != "a log that is no log"), seen.text()
    assert [data for name, data in seen.texts if name == "h2"] == SECTIONS
    assert_harmless(page.page([run] * 2, [looked] * 2))


def test_a_run_that_has_just_begun(tmp_path):
    path = synthetic.folder(tmp_path / "run")
    for file in ("stats.jsonl", "best.json", *(p.name for p in path.glob("fakes0*.png"))):
        (path / file).unlink()
    words = assert_harmless(made(path)).text()
    assert "unfinished: 0 of 40 kimg" in words
    assert "has not come to its first snapshot" in words


@pytest.mark.parametrize("path", ["nowhere", "file.txt", "empty"])
def test_what_is_no_run(tmp_path, path, capsys):
    (tmp_path / "file.txt").write_text("x")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="run folder"):
        material.read(tmp_path / path)
    assert main(["report", str(tmp_path / path)]) == 2
    assert "run folder" in capsys.readouterr().err


def test_alarms_are_shown_where_they_were_raised(tmp_path):
    alarm = {"alarm": "given-up", "since": 123, "what": "D has given up"}
    seen = Seen(made(synthetic.folder(tmp_path / "run", alarms=[alarm])))
    assert seen.text().count("D has given up") > 5  # in the table, and in every chart
    assert "step 123" in seen.text("td")
    assert "21.0 kimg" in seen.text("th")


def test_several_runs_on_shared_axes(tmp_path):
    one = synthetic.folder(tmp_path / "one")
    two = synthetic.folder(tmp_path / "two", replace(synthetic.small(latent="none"), preset="digits"))
    seen = assert_harmless(made(one, two))
    words = seen.text()
    assert "Settings that differ" in words
    assert "latent.latent" in seen.text("code")
    assert re.search(r"latent\.latent\s+ngd\s+none", words)
    assert {"Losses: D", "Losses: G"} <= {data for name, data in seen.texts if name == "h3"}
    data = json.loads(next(data for name, data in seen.texts if name == "script"))
    assert len(data["frames"]) == 2
    assert data["charts"]["q0-0"]["labels"] == ["A", "B"]


def test_every_picture_of_a_hundred_is_bounded(tmp_path):
    """A few of the worst kind, noise, for which a hundred would take longer: each is within its part of the page's 10 MB."""
    path = synthetic.folder(tmp_path / "run", snapshots=1, side=700, texture="noise")
    frames = page.Encoder().frames(material.read(path).pictures)
    assert len(frames) == 2
    assert all(len(frame.source) < 90_000 for frame in frames)
    assert (frames[0].width, frames[0].height) == (700, 700)


def test_a_hundred_snapshots_and_more(tmp_path):
    config = synthetic.small()
    path = synthetic.folder(tmp_path / "run", replace(config, run=replace(config.run, kimg=220)), snapshots=110)
    text = page.page([material.read(path)], [looks.none("not now")])
    assert len(text) < 10_000_000
    frames = json.loads(next(data for name, data in Seen(text).texts if name == "script"))["frames"][0]
    assert len(frames) == page.MOST_FRAMES
    assert frames[0][0] == 0
    assert frames[-1][0] == 220


def test_pictures_that_have_not_changed_are_not_encoded_again(tmp_path, monkeypatch):
    path, encoder, encoded = synthetic.folder(tmp_path / "run"), page.Encoder(), []
    real = page.Encoder.frame.__globals__["encode"]
    monkeypatch.setitem(page.Encoder.frame.__globals__, "encode", lambda *a: encoded.append(a) or real(*a))
    pictures = material.read(path).pictures
    first = encoder.frames(pictures)
    assert encoder.frames(pictures) == first
    assert len(encoded) == 4
    pictures[1].path.write_bytes(pictures[2].path.read_bytes() + b"\0")
    assert encoder.frames(pictures)[1].source == first[2].source
    assert len(encoded) == 5


def test_the_command(run, tmp_path, capsys, monkeypatch):
    before = {p.name for p in run.iterdir()}
    assert main(["report", str(run), "--device", "cpu"]) == 0
    assert capsys.readouterr().out.strip() == str(run / "report.html")
    assert {p.name for p in run.iterdir()} - before == {"report.html"}
    monkeypatch.chdir(tmp_path)
    assert main(["report", str(run), str(run), "--no-looks"]) == 0
    assert "left out, as asked for" in (tmp_path / "report.html").read_text()
    assert main(["report", str(run), "--out", "new/a.html", "--no-looks"]) == 0
    assert (tmp_path / "new" / "a.html").exists()
    capsys.readouterr()
    for arguments, said in [
        ([], "pass 1 to 8 run folders, not 0"),
        ([run] * 9, "pass 1 to 8 run folders, not 9"),
        ([run, "--out", tmp_path], "is a folder; name a file"),
        ([run, "--out", "a.txt"], "should end with .html"),
        ([run, "--device", "nonsense"], "device"),
    ]:
        assert main(["report", *map(str, arguments)]) == 2
        assert said in capsys.readouterr().err
