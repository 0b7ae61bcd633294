"""What a run must have cost, worked out anew: the server's log of arrivals and the price list.

Shares nothing with the program: its own reading of usage objects, fractions until the last step.

    prices = ledger.Prices(data / "prices.json")
    exchanges = ledger.exchanges(server.arrivals())
    total = sum(prices.cost(e.model, e.usage) for e in exchanges if e.was_whole)
"""
import dataclasses
import json
from fractions import Fraction

PICO_PER_MILLION = 10**6           # a dollar per million tokens, in pico-dollars a token
GARBLED = {"bad_envelope", "stream_error"}    # delivered to the last byte, but no reply


@dataclasses.dataclass
class Exchange:
    """One request as the server saw it. `fault` is None or what went wrong on purpose."""
    number: int
    model: str
    sha256: str                    # of the request body
    status: int = 0                # 0: none was sent
    fault: str = None
    delivered: bool = False        # the last byte was handed to the kernel
    request_id: str = None
    usage: dict = None
    ended: bool = False

    @property
    def was_whole(self):
        """Whether the client could get a whole reply out of it."""
        return self.delivered and self.status == 200 and self.fault not in GARBLED


def exchanges(arrivals):
    """The requests of one server's log, in order of arrival."""
    by_number = {}
    for line in arrivals:
        if line["event"] == "arrival":
            by_number[line["n"]] = Exchange(line["n"], line["model"], line["sha256"])
        elif line["event"] == "end":
            exchange = by_number[line["n"]]
            exchange.status, exchange.fault = line["status"], line["fault"]
            exchange.delivered, exchange.request_id = line["delivered_whole"], line["request_id"]
            exchange.usage, exchange.ended = line["usage"], True
    return list(by_number.values())


def token_counts(usage):
    """Tokens by kind. A provider's null or absent count is none; without a split all cache writes
    are of five minutes."""
    written = usage.get("cache_creation_input_tokens") or 0
    split = usage.get("cache_creation")
    counts = {
        "input": usage["input_tokens"],
        "output": usage["output_tokens"],
        "cache_read": usage.get("cache_read_input_tokens") or 0,
        "cache_write_5m": written,
        "cache_write_1h": 0,
    }
    if split:
        counts["cache_write_5m"] = split.get("ephemeral_5m_input_tokens") or 0
        counts["cache_write_1h"] = split.get("ephemeral_1h_input_tokens") or 0
    return counts


class Prices:
    """prices.json, read as exact fractions."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            table = json.load(file, parse_float=Fraction)
        self.rules = table["rules"]["anthropic_multipliers"]
        self.models = {}
        for name, model in table["models"].items():
            for each in (name, *model.get("aliases", ())):
                self.models[each] = model

    def rates(self, model, prompt_tokens):
        """The row of prices that holds for a prompt of that length."""
        row = self.models[model]
        for tier in self.models[model].get("tiers", ()):
            if prompt_tokens > tier["threshold_prompt_tokens"]:
                row = tier
        return row

    def cost(self, model, usage):
        """Pico-dollars, an int; None for a model without a price."""
        if model not in self.models:
            return None
        counts = token_counts(usage)
        prompt = sum(count for kind, count in counts.items() if kind != "output")
        rates = self.rates(model, prompt)
        total = sum(count * Fraction(rates[kind]) for kind, count in counts.items() if count)
        if usage.get("service_tier") == "batch":
            total *= Fraction(self.rules["batch"])
        if usage.get("inference_geo") == "us":
            total *= Fraction(self.rules["inference_geo_us"])
        pico = total * PICO_PER_MILLION
        return -(-pico.numerator // pico.denominator)    # a begun pico-dollar counts whole
