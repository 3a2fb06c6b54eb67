"""The page with the bursts."""

from xml.etree import ElementTree

from tests.bench.scale.burst import Outcome, Sample
from tests.bench.scale.plot import page


def sample(second: int) -> Sample:
    return Sample(second, 2, 3, 100.0, 10.0, 0.0, 50.0, 0.5, panicking=False, activator=True)


def test_each_burst_is_drawn_with_its_name():
    outcome = Outcome(samples=(sample(0), sample(1)), sent=1.0, stored=1.0, all_stored_at=2.0, to_zero_at=None)
    text = page([("a & b", outcome)])
    assert "<h2>a &amp; b</h2>" in text
    graphs = [ElementTree.fromstring(f"<svg{part.split('</svg>')[0]}</svg>") for part in text.split("<svg")[1:]]
    assert len(graphs) == 4
    lines = [len(graph.findall("polyline")) for graph in graphs]
    assert lines == [2, 2, 1, 1]


def test_curves_stay_inside_their_frames_and_share_a_scale():
    outcome = Outcome(samples=tuple(map(sample, range(50))), sent=1.0, stored=1.0, all_stored_at=None, to_zero_at=None)
    graph = ElementTree.fromstring(page([("burst", outcome)]).split("</figcaption>")[1].split("</figure>")[0])
    width, height = map(float, graph.attrib["viewBox"].split()[2:])
    ready, wanted = (line.attrib["points"].split() for line in graph.findall("polyline"))
    points = [tuple(map(float, point.split(","))) for point in (*ready, *wanted)]
    assert len(ready) == len(wanted) == 50
    assert all(0 <= x <= width and 0 <= y <= height for x, y in points)
    assert float(wanted[0].split(",")[1]) < float(ready[0].split(",")[1])  # three are above two
