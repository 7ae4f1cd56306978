import asyncio
import math
from dataclasses import replace

import pytest

from scalediff.core.engine import Completion, EngineInfo, Request, Sampling, Score, Usage
from scalediff.core.errors import EngineError
from scalediff.core.keys import digest
from scalediff.engines.recording import RecordingEngine
from scalediff.io.attempts import AttemptStore


class DictStore(dict):
    def put(self, key, record):
        self[key] = record


class Slow:
    """Says how many words its cap lets it; ends by itself after ``length`` of them."""

    def __init__(self, length=5, fingerprint="weights"):
        self.info = EngineInfo(model="slow", fingerprint=fingerprint)
        self.usage = Usage()
        self.length = length
        self.calls = 0
        self.failures = 0
        self.cancelled = 0
        self.closed = False

    async def sample(self, request):
        self.calls += 1
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.failures:
            self.failures -= 1
            raise EngineError("slow failed")
        words = [f"{request.seed}-{i}" for i in range(self.length)]
        if request.stop_when is not None and request.stop_when(words[0]):
            return Completion(None, words[0], "stopped", 1, 3, (1,))
        cap = request.sampling.max_new_tokens
        if self.length > cap:
            return Completion(None, " ".join(words[:cap]), "length", cap, 3, (1,) * cap)
        return Completion("hm", " ".join(words), "stop", self.length, 3, (1,) * self.length)

    async def score(self, request, continuation):
        self.calls += 1
        await asyncio.sleep(0.01)
        return Score(-float(len(continuation)), True, 7)

    async def close(self):
        self.closed = True


def ask(cap=10, seed=1, text="1+1?", **more):
    message = {"role": "user", "content": text}
    return Request(messages=(message,), sampling=Sampling(max_new_tokens=cap), seed=seed, **more)


def run(*requests, engine=None, store=None):
    """Ask one after the other; completions, engine and recorder."""
    engine = engine or Slow()
    recorder = RecordingEngine(engine, DictStore() if store is None else store)

    async def main():
        return [await recorder.sample(request) for request in requests]

    return asyncio.run(main()), engine, recorder


def test_what_was_paid_is_served_and_is_the_same():
    (first, second), engine, recorder = run(ask(), ask())
    assert first == second
    assert (first.reasoning, first.content) == ("hm", "1-0 1-1 1-2 1-3 1-4")
    assert (engine.calls, recorder.num_sampled, recorder.num_served) == (1, 1, 1)
    assert (recorder.num_tokens, recorder.num_prompt_tokens) == (5, 3)


def test_the_key_is_model_request_and_seed():
    request = ask()
    (completion,), _, _ = run(request)
    assert completion.attempt_id == digest("weights", request.identity(), request.seed)


def test_what_makes_another_attempt_is_paid_anew():
    requests = [
        ask(), ask(seed=2), ask(text="2+2?"), ask(thinking=False), ask(prefix="</think>"),
        replace(ask(), sampling=Sampling(temperature=1.0, max_new_tokens=10)),
    ]  # fmt: skip
    found, engine, _ = run(*requests)
    assert engine.calls == len(requests)
    assert len({c.attempt_id for c in found}) == len(requests)


def test_other_weights_have_attempts_of_their_own():
    store = DictStore()
    (first,), _, _ = run(ask(), store=store)
    (second,), engine, _ = run(ask(), store=store, engine=Slow(fingerprint="others"))
    assert engine.calls == 1
    assert first.attempt_id != second.attempt_id


def test_an_attempt_that_ended_by_itself_serves_every_cap_it_fits_in():
    found, engine, _ = run(ask(cap=10), ask(cap=99), ask(cap=5))
    assert engine.calls == 1
    assert len({c.attempt_id for c in found}) == 1


def test_a_smaller_cap_is_paid_for_and_leaves_the_whole_attempt():
    found, engine, _ = run(ask(cap=10), ask(cap=3), ask(cap=10), ask(cap=3))
    assert [c.finish_reason for c in found] == ["stop", "length", "stop", "length"]
    assert [c.num_tokens for c in found] == [5, 3, 5, 3]
    assert engine.calls == 2


def test_a_capped_attempt_serves_its_own_cap_alone():
    found, engine, _ = run(ask(cap=2), ask(cap=2), ask(cap=3), ask(cap=9), ask(cap=2))
    assert [c.num_tokens for c in found] == [2, 2, 3, 5, 2]
    assert engine.calls == 3


def test_a_stopped_attempt_serves_only_who_may_be_stopped():
    def always(text):
        return True

    found, engine, _ = run(ask(stop_when=always), ask(stop_when=always), ask())
    assert [c.finish_reason for c in found] == ["stopped", "stopped", "stop"]
    assert engine.calls == 2
    assert found[0].attempt_id != found[2].attempt_id


def test_scores_are_kept_by_prompt_and_continuation():
    engine = Slow()
    recorder = RecordingEngine(engine, DictStore())

    async def main():
        return [
            await recorder.score(ask(), "</think>"),
            await recorder.score(ask(cap=77), "</think>"),
            await recorder.score(ask(), "no"),
            await recorder.score(ask(text="2+2?"), "</think>"),
        ]

    first, again, other, _ = asyncio.run(main())
    assert first == again == Score(-8.0, True, 7)
    assert other == Score(-2.0, True, 7)
    assert (engine.calls, recorder.num_sampled, recorder.num_served) == (3, 3, 1)
    assert (recorder.num_tokens, recorder.num_prompt_tokens) == (0, 21)


def test_equal_requests_at_the_same_time_are_paid_once():
    engine = Slow()
    recorder = RecordingEngine(engine, DictStore())

    async def main():
        samples = (recorder.sample(ask()) for _ in range(5))
        scores = (recorder.score(ask(), "x") for _ in range(5))
        return await asyncio.gather(*samples, *scores)

    found = asyncio.run(main())
    assert engine.calls == 2
    assert len(set(found)) == 2
    assert (recorder.num_sampled, recorder.num_served) == (2, 8)


def test_when_the_one_who_pays_gives_up_another_who_waits_pays():
    engine = Slow()
    recorder = RecordingEngine(engine, DictStore())

    async def main():
        first, second = (asyncio.ensure_future(recorder.sample(ask())) for _ in range(2))
        await asyncio.sleep(0.001)
        first.cancel()
        completion = await second
        with pytest.raises(asyncio.CancelledError):
            await first
        return completion

    assert asyncio.run(main()).num_tokens == 5
    assert (engine.calls, engine.cancelled) == (2, 1)
    assert (recorder.num_sampled, recorder.num_served) == (1, 0)


def test_one_who_waits_and_gives_up_takes_it_from_nobody():
    engine = Slow()
    recorder = RecordingEngine(engine, DictStore())

    async def main():
        first, second = (asyncio.ensure_future(recorder.sample(ask())) for _ in range(2))
        await asyncio.sleep(0.001)
        second.cancel()
        return await first

    assert asyncio.run(main()).num_tokens == 5
    assert (engine.calls, engine.cancelled) == (1, 0)


class Counting(Slow):
    """Counts up from where its prefix ends; tells what it wrote."""

    async def sample(self, request):
        self.calls += 1
        start = len(request.prefix.split())
        cap = request.sampling.max_new_tokens
        words = [f" {i}" for i in range(start, self.length)]
        reason = "length" if len(words) > cap else "stop"
        text = request.prefix + "".join(words[:cap])
        return Completion(None, text, reason, min(cap, len(words)), 3, text=text)


def test_a_cut_attempt_goes_on_from_where_it_was_cut():
    engine, store = Counting(length=9), DictStore()
    recorder = RecordingEngine(engine, store)

    async def main():
        return [await recorder.sample(ask(cap=cap)) for cap in (3, 5, 20, 20, 3)]

    first, second, whole, again, cut = asyncio.run(main())
    assert (first.num_tokens, second.num_tokens) == (3, 5)
    assert whole.content == " 0 1 2 3 4 5 6 7 8"
    assert (whole.num_tokens, whole.finish_reason, whole.num_prompt_tokens) == (9, "stop", 3)
    assert again == whole
    assert cut == first
    assert engine.calls == 3
    assert recorder.num_tokens == 9  # 3 + 2 + 4: nothing is paid twice


def test_keys_are_what_they_always_were():
    asked = ask(text='a "quote", \u00e9 and \n', seed=2**53 - 1, thinking=True, prefix="<t>")
    recorder = RecordingEngine(Slow(), DictStore())
    assert recorder._key(asked) == digest("weights", asked.identity(), asked.seed)
    raw = replace(asked, messages=None, raw="<u>", prefix="", thinking=None)
    assert recorder._key(raw) == digest("weights", raw.identity(), raw.seed)


def test_when_all_give_up_the_engine_is_told_and_asking_again_works():
    engine = Slow()
    recorder = RecordingEngine(engine, DictStore())

    async def main():
        calls = [asyncio.ensure_future(recorder.sample(ask())) for _ in range(2)]
        await asyncio.sleep(0.001)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        return await recorder.sample(ask())

    assert asyncio.run(main()).num_tokens == 5
    assert (engine.calls, engine.cancelled) == (2, 1)
    assert recorder.num_sampled == 1


def test_a_failure_reaches_all_and_nothing_is_kept():
    engine, store = Slow(), DictStore()
    engine.failures = 1
    recorder = RecordingEngine(engine, store)

    async def main():
        both = [recorder.sample(ask()), recorder.sample(ask())]
        failed = await asyncio.gather(*both, return_exceptions=True)
        kept = len(store)
        return failed, kept, await recorder.sample(ask())

    failed, kept, after = asyncio.run(main())
    assert [type(f) for f in failed] == [EngineError, EngineError]
    assert kept == 0
    assert after.finish_reason == "stop"
    assert (recorder.num_sampled, recorder.num_served) == (1, 0)


def test_a_store_on_disk_outlives_the_engine(tmp_path):
    store = AttemptStore(tmp_path / "attempts")
    (first,), _, _ = run(ask(), store=store)
    store.close()
    store = AttemptStore(tmp_path / "attempts")
    (second,), engine, recorder = run(ask(), store=store)
    store.close()
    assert second == first
    assert (engine.calls, recorder.num_served) == (0, 1)


def test_closing_closes_the_engine():
    engine = Slow()
    asyncio.run(RecordingEngine(engine, DictStore()).close())
    assert engine.closed


def sampled(engine, store, *requests, **options):
    recorder = RecordingEngine(engine, store, **options)

    async def main():
        return [await recorder.sample(request) for request in requests]

    return asyncio.run(main()), recorder


def test_going_on_can_be_switched_off():
    engine = Counting(length=9)
    _, recorder = sampled(engine, DictStore(), ask(cap=3), ask(cap=20), goes_on=False)
    assert recorder.num_tokens == 12


def test_it_goes_on_from_the_longest_whatever_order_they_came_in():
    engine, store = Counting(length=9), DictStore()
    found, recorder = sampled(engine, store, ask(cap=5), ask(cap=3), ask(cap=20))
    assert recorder.num_tokens == 5 + 3 + 4
    assert found[-1].content == " 0 1 2 3 4 5 6 7 8"
    assert store[found[-1].attempt_id]["continued_from"] == 5


def test_what_has_a_prefix_of_its_own_is_paid_for_as_a_whole():
    engine = Counting(length=9)
    asked = ask(cap=3, prefix=" 0")
    _, recorder = sampled(engine, DictStore(), asked, ask(cap=20, prefix=" 0"))
    assert recorder.num_tokens == 3 + 8


def test_what_the_window_cut_does_not_go_on():
    class Narrow(Counting):
        async def sample(self, request):
            assert not request.prefix
            room = replace(request.sampling, max_new_tokens=4)
            return await super().sample(replace(request, sampling=room))

    found, _ = sampled(Narrow(length=9), DictStore(), ask(cap=6), ask(cap=20))
    assert [c.num_tokens for c in found] == [4, 4]


@pytest.mark.parametrize(
    ("reasoning", "content", "text", "kept"),
    [
        ("hm hm", "", "<think>\nhm hm ", ["<think>\n", "reasoning", " "]),
        (None, "It is", "It is", ["", "content", ""]),
        ("hm", "So 4", "<think>hm</think>\n\nSo 4", ["<think>", "reasoning", "</think>\n\n",
                                                     "content", ""]),
        ("changed", "", "<think>other", "<think>other"),
        ("", "", "<think>\n", ["<think>\n"]),
    ],
)  # fmt: skip
def test_the_text_of_a_cut_attempt_is_kept_once(reasoning, content, text, kept):
    class Cut(Slow):
        async def sample(self, request):
            self.asked = request
            cap = request.sampling.max_new_tokens
            return Completion(reasoning, content, "length", cap, 3, text=text)

    engine, store = Cut(), DictStore()
    found, _ = sampled(engine, store, ask(cap=3), ask(cap=3), ask(cap=8))
    assert store[found[0].attempt_id]["text"] == kept
    assert found[0] == found[1]
    assert found[0].text == text
    assert engine.asked.prefix == text
    assert engine.asked.sampling.max_new_tokens == 5


def test_scores_of_before_there_were_methods_are_exact():
    store = DictStore()
    recorder = RecordingEngine(Slow(), store)
    asyncio.run(recorder.score(ask(), "x"))
    ((key, record),) = store.items()
    store[key] = {name: record[name] for name in ("logprob", "is_greedy", "num_prompt_tokens")}
    assert asyncio.run(recorder.score(ask(), "x")) == Score(-1.0, True, 7, "exact")


@pytest.mark.parametrize("logprob", [-0.25, 0.0, -1234.5, -math.inf])
def test_a_served_score_is_the_one_that_was_paid(tmp_path, logprob):
    engine = Slow()

    async def score(request, continuation):
        engine.calls += 1
        return Score(logprob, False, 7, "top_k", logprob, -0.125)

    engine.score = score

    async def main():
        found = []
        for _ in range(2):  # the second from the disk
            store = AttemptStore(tmp_path)
            recorder = RecordingEngine(engine, store)
            found.append(await recorder.score(ask(), "</think>"))
            store.close()
        return found

    paid, served = asyncio.run(main())
    assert engine.calls == 1
    assert served.logprob == max(paid.logprob, -1e300)
    assert (served.low, served.high) == (max(logprob, -1e300), -0.125)
    assert (served.is_greedy, served.method, served.num_prompt_tokens) == (False, "top_k", 7)
