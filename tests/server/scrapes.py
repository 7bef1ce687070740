"""Reading `/metrics` as Prometheus would."""

from prometheus_client.parser import text_string_to_metric_families

from tests.server.conftest import Gateway

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Scrape:
    """One reading."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.kinds: dict[str, str] = {}
        self.labels: dict[str, set[str]] = {}
        self._samples: Samples = {}
        for family in text_string_to_metric_families(text):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            assert name not in self.kinds, f"{name} begins twice"
            self.kinds[name] = family.type
            labels = self.labels.setdefault(name, set())
            for sample in family.samples:
                labels |= sample.labels.keys() - {"le"}
                self._samples[sample.name, frozenset(sample.labels.items())] = sample.value

    def value(self, name: str, **labels: str) -> float | None:
        """Return one sample of ours, or None where there is none."""
        return self._samples.get((f"repertory:{name}", frozenset(labels.items())))

    def values_of(self, label: str) -> set[str]:
        """Return every value that a label has anywhere."""
        return {value for _, labels in self._samples for name, value in labels if name == label}


async def scrape(gateway: Gateway, **headers: str) -> Scrape:
    async with gateway.http(**headers) as http:
        response = await http.get("/metrics")
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return Scrape(response.text)
