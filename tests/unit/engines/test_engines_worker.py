"""The engine's thread: what is scored together."""

import threading

import pytest

from scalediff.core.errors import EngineError
from scalediff.engines.worker import Scoring, Worker


class Decoder:
    """Takes four rows at once and keeps how many it was given each time."""

    num_slots = 8

    def __init__(self, meanwhile=lambda: None):
        self.sizes, self.meanwhile = [], meanwhile

    def batches(self, prompts, *, to_score=False):
        places = list(range(len(prompts)))
        return [places[n : n + 4] for n in range(0, len(places), 4)]

    def score(self, rows):
        self.sizes.append(len(rows))
        self.meanwhile()
        return [(float(ids[0]), True) for ids, _ in rows]


class Asker:
    """Puts jobs and waits for what comes of them."""

    def __init__(self, decoder):
        self.worker = Worker(lambda: decoder, "m", lambda _: None)
        self.worker.wait()
        self.found, self.got = {}, threading.Semaphore(0)

    def put(self, *names):
        for name in names:
            self.worker.put(Scoring([name, 1], 1, lambda score, name=name: self.take(name, score)))

    def take(self, name, score):
        assert name not in self.found
        self.found[name] = score
        self.got.release()

    def wait(self, n):
        for _ in range(n):
            assert self.got.acquire(timeout=100)


def test_the_first_of_many_does_not_go_alone():
    decoder = Decoder()
    asker = Asker(decoder)
    asker.put(*range(10))
    asker.wait(10)
    assert decoder.sizes == [4, 4, 2]
    assert {name: score.logprob for name, score in asker.found.items()} == {
        name: float(name) for name in range(10)
    }
    asker.worker.close()


def test_a_batch_that_is_not_full_takes_in_what_came_meanwhile():
    more = iter([(6, 7)])
    decoder = Decoder(lambda: asker.put(*next(more, ())))
    asker = Asker(decoder)
    asker.put(*range(6))
    asker.wait(8)
    assert decoder.sizes == [4, 4]
    asker.worker.close()


def test_what_still_waits_when_the_thread_ends_gets_an_error():
    decoder = Decoder(lambda: asker.worker._inbox.put(None))
    asker = Asker(decoder)
    asker.put(*range(6))
    asker.wait(6)
    assert decoder.sizes == [4]
    errors = [score for score in asker.found.values() if isinstance(score, EngineError)]
    assert len(errors) == 2
    with pytest.raises(EngineError):
        asker.put(9)
