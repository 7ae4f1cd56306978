from scalediff import spread as spreading
from scalediff.domains import open_domain
from scalediff.spread import spread, spread_over


def length(item, domain):
    return f"{domain.name} {len(item)}"


def test_few_items_are_worked_on_here_and_in_order():
    domain = open_domain("math")
    assert list(spread(length, ["a", "bb"], domain, 2)) == ["math 1", "math 2"]
    assert list(spread(length, [], domain, 2)) == []


def test_many_items_go_to_processes_and_come_back_in_order(monkeypatch):
    monkeypatch.setattr(spreading, "POOL_FROM", 50)
    items = ["x" * (i % 7) for i in range(1_300)]
    found = list(spread_over(open_domain("math"), 2)(length, iter(items)))
    assert found == [f"math {len(item)}" for item in items]
