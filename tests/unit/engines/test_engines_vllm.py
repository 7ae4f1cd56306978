"""The vllm engine over a stand-in for the interpreter: processes, flags, deaths, what is told."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scalediff.core.engine import ModelSpec, Request, Sampling
from scalediff.core.errors import EngineError, PrerequisiteError, RecipeError
from scalediff.engines import EngineConfig, open_engine, serving, shares, telling, vllm_command
from scalediff.engines.config import VllmConfig
from scalediff.keeper import Keeper

ROOT = Path(__file__).parents[3]
SPEC = ModelSpec("teacher", "folder", "/models/teacher", "abc")
REQUEST = Request(
    messages=({"role": "user", "content": "What is 2+2?"},), sampling=Sampling(max_new_tokens=64)
)


@pytest.fixture(autouse=True)
def stand_in(tmp_path, monkeypatch):
    """The stand-in's path; no GPUs, however many this machine has."""
    path = tmp_path / "python"
    script = ROOT / "tests" / "support" / "vllm_stand_in.py"
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n')
    path.chmod(0o755)
    monkeypatch.setenv("STAND_IN_FOLDER", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(shares, "_count_gpus", lambda: 0)
    yield path
    started = [pid for call in calls(tmp_path) for pid in call["pids"]]
    end = time.monotonic() + 60  # a busy machine takes its time to end them
    while (left := [pid for pid in started if lives(pid)]) and time.monotonic() < end:
        time.sleep(0.05)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert left == []


def calls(folder):
    """What the stand-in was called with, by port and then by time."""
    files = sorted(folder.glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def lives(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def with_engine(stand_in, use, spec=SPEC, **vllm):
    """What a coroutine function makes of an engine."""

    async def go():
        config = EngineConfig(kind="vllm", vllm=VllmConfig(python=str(stand_in), **vllm))
        engine = await open_engine(spec, config)
        try:
            return await asyncio.wait_for(use(engine), 240)
        finally:
            await engine.close()

    return asyncio.run(go())


def words(flags=None, on_cpu=False, **config):
    made = EngineConfig(kind="vllm", vllm=VllmConfig(flags=flags or {}), **config)
    return " ".join(vllm_command.command("py", "/m", 7, "n", made, on_cpu=on_cpu)) + " "


def test_all_replicas_answer_and_closing_ends_all(stand_in, tmp_path):
    async def use(engine):
        answers = await asyncio.gather(*(engine.sample(REQUEST) for _ in range(8)))
        assert engine.usage.requests == 8
        return engine, answers

    engine, answers = with_engine(stand_in, use, replicas=2, in_flight=7)
    assert all(a.content for a in answers)
    assert (engine.info.model, engine.info.fingerprint) == ("teacher", "abc")
    assert engine.info.width == 14
    made = calls(tmp_path)
    assert len({call["argv"][call["argv"].index("--port") + 1] for call in made}) == 2
    assert not any(lives(pid) for call in made for pid in call["pids"])
    assert not engine._logs.exists()


def test_the_servers_environment_is_their_own(stand_in, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("VLLM_API_KEY", "it would shut us out")

    async def use(engine):
        return await engine.score(REQUEST, "</think>")

    score = with_engine(stand_in, use, env={"VLLM_CPU_KVCACHE_SPACE": "5", "MORE": "1"})
    assert score.method == "prompt_logprobs"
    (call,) = calls(tmp_path)
    env = call["env"]
    assert env["VLLM_NO_USAGE_STATS"] == env["DO_NOT_TRACK"] == env["MORE"] == "1"
    assert env["VLLM_CPU_KVCACHE_SPACE"] == "5"
    assert env["PATH"].startswith(f"{tmp_path}{os.pathsep}")
    assert "PYTHONPATH" not in env
    assert "VLLM_API_KEY" not in env
    assert env["PYTHONSAFEPATH"] == "1"


def test_flags_are_passed_on_and_win_over_the_defaults():
    assert words().startswith(
        "py -m vllm.entrypoints.openai.api_server --model /m --host 127.0.0.1"
    )
    assert "--port 7 --served-model-name n --generation-config vllm " in words()
    assert "--enforce-eager" not in words()
    assert "--enforce-eager --no-enable-chunked-prefill " in words(on_cpu=True)
    assert "--dtype bfloat16 " in words()
    assert "--dtype float32 " in words(on_cpu=True)
    assert "--dtype bfloat16 " in words(precision="bfloat16", on_cpu=True)
    assert "--dtype half " in words({"dtype": "half"}, precision="bfloat16")
    given = {
        "max_model_len": 4096,
        "enforce-eager": False,
        "enable-chunked-prefill": True,
        "generation-config": "auto",
        "seed": None,
        "lora-modules": ["a=1", "b=2"],
        "hf-overrides": {"x": 1},
    }
    made = words(given, on_cpu=True)
    assert "--max-model-len 4096 --enable-chunked-prefill --generation-config auto " in made
    assert '--lora-modules a=1 b=2 --hf-overrides {"x": 1} ' in made
    assert not any(w in made for w in ("eager", "no-enable", "seed", "config vllm", "None"))
    with pytest.raises(RecipeError, match="names port, which the engine sets itself"):
        words({"port": 8000})


def test_a_folder_that_names_no_architecture_is_one_of_a_language_model(tmp_path):
    def made():
        return vllm_command.command("py", str(tmp_path), 7, "n", EngineConfig(), on_cpu=True)

    assert "--runner" not in made()
    (tmp_path / "config.json").write_text('{"architectures": ["Qwen3ForCausalLM"]}')
    assert "--runner" not in made()
    (tmp_path / "config.json").write_text('{"model_type": "qwen3"}')
    assert made()[-2:] == ["--runner", "generate"]


def test_logits_are_in_float32_unless_told_otherwise(tmp_path):
    head = """--hf-overrides {"head_dtype": "float32"} """
    assert head in words()
    assert "hf-overrides" not in words(on_cpu=True)  # all of it is in float32 there
    assert head in words(on_cpu=True, precision="bfloat16")
    assert "hf-overrides" not in words({"hf_overrides": None})
    both = words({"hf-overrides": {"rope_scaling": {"factor": 4}}})
    assert """{"head_dtype": "float32", "rope_scaling": {"factor": 4}}""" in both
    assert """{"head_dtype": "model"}""" in words({"hf-overrides": {"head_dtype": "model"}})
    (tmp_path / "config.json").write_text('{"quantization_config": {"quant_method": "awq"}}')
    made = vllm_command.command("py", str(tmp_path), 7, "n", EngineConfig(), on_cpu=False)
    assert "--hf-overrides" not in made  # vLLM can not for a head that is quantized


def test_each_replica_has_its_gpus(monkeypatch):
    monkeypatch.setattr(shares, "_count_gpus", lambda: 4)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def places(device="auto", **vllm):
        return shares.gpus_of_each(EngineConfig(device=device, vllm=VllmConfig(**vllm)))

    assert places() == ["0", "1", "2", "3"]
    assert places(replicas=2) == ["0", "1"]
    assert places(flags={"tensor_parallel_size": 2}) == ["0,1", "2,3"]
    assert places("cuda:2") == ["2"]
    assert places("cpu", replicas=3) == [None] * 3
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,3")
    assert places() == ["1", "3"]
    assert places(env={"CUDA_VISIBLE_DEVICES": "GPU-a,GPU-b"}) == ["GPU-a", "GPU-b"]
    config = EngineConfig(vllm=VllmConfig(env={"CUDA_VISIBLE_DEVICES": "0,2"}))
    assert vllm_command.environment(config, "py", "2")["CUDA_VISIBLE_DEVICES"] == "2"
    assert places(env={"CUDA_VISIBLE_DEVICES": "2,-1,3"}) == ["2"]
    assert places(env={"CUDA_VISIBLE_DEVICES": "-1"}) == places(env={"CUDA_VISIBLE_DEVICES": ""})
    assert places(env={"CUDA_VISIBLE_DEVICES": ""}) == [None]
    with pytest.raises(
        PrerequisiteError, match=r"3 vLLM replicas of 1 GPUs need 3 and there are 2"
    ):
        places(replicas=3)
    monkeypatch.setattr(shares, "_count_gpus", lambda: 0)
    with pytest.raises(PrerequisiteError, match="shows no such GPU"):
        places("cuda")


def test_replicas_on_a_cpu_share_its_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 1, 2, 0, 8}, raising=False)

    def cores(num, threads=0, **flags):
        config = EngineConfig(threads=threads, vllm=VllmConfig(flags=flags))
        return shares.cores_of_each(config, num)

    assert cores(1) == [None]
    assert cores(1, threads=2) == ["0,1"]
    assert cores(2) == ["0,1", "2,3,8"]
    assert cores(2, threads=1) == ["0", "2"]
    assert cores(6)[-1] == "8"
    assert all(cores(6))
    assert cores(2, **{"tensor-parallel-size": 2}) == [None, None]
    config = EngineConfig(vllm=VllmConfig(env={"VLLM_CPU_OMP_THREADS_BIND": "nobind"}))
    made = vllm_command.environment(config, "py", None, "0,1")
    assert made["VLLM_CPU_OMP_THREADS_BIND"] == "nobind"


def test_ports_are_none_that_outgoing_connections_take():
    ports = shares.free_ports(50)
    assert len(set(ports)) == 50
    assert not any(port in shares._outgoing() for port in ports)


def test_memory_that_is_about_to_be_given_back_is_waited_for(stand_in, tmp_path, monkeypatch):
    monkeypatch.setattr(serving, "_AGAIN_S", 0.1)
    monkeypatch.setenv("STAND_IN_CRASH", "1")
    monkeypatch.setenv(
        "STAND_IN_CAUSE", "Free memory on device (3.1/79.1 GiB) is less than desired"
    )

    async def use(engine):
        return await engine.sample(REQUEST)

    assert with_engine(stand_in, use).content
    assert len(calls(tmp_path)) == 2


def test_a_server_that_ends_is_told_with_its_reason_and_its_log(stand_in, tmp_path, monkeypatch):
    monkeypatch.setenv("STAND_IN_CRASH", "1")
    with pytest.raises(EngineError) as failed:
        with_engine(stand_in, None, replicas=2)
    told, _, log = str(failed.value).partition(" (log: ")
    assert told == (
        "vLLM does not start with teacher: the server ended with status 1: "
        "ValueError: no room for 9 GiB"
    )
    assert "Engine core initialization failed" in Path(log.rstrip(")")).read_text()


def test_a_server_that_is_not_ready_in_time_is_ended(stand_in, monkeypatch):
    monkeypatch.setenv("STAND_IN_MODE", "hang")
    with pytest.raises(EngineError, match=r"was not ready within 1 s \(engine.vllm.start_s\): it"):
        with_engine(stand_in, None, start_s=1)


def test_a_missing_interpreter_is_told_with_the_commands(stand_in, tmp_path, monkeypatch):
    with pytest.raises(PrerequisiteError, match=r"there is no interpreter .*pip install vllm"):
        with_engine(tmp_path / "none", None)
    monkeypatch.setenv("STAND_IN_MODE", "no-vllm")
    with pytest.raises(PrerequisiteError, match=r"has no vLLM: .*pip install vllm"):
        with_engine(stand_in, None)


def test_a_replica_that_dies_is_started_anew(stand_in, tmp_path):
    async def use(engine):
        await engine.sample(REQUEST)
        for n in range(1, 3):
            os.kill(calls(tmp_path)[-1]["pids"][0], signal.SIGKILL)
            await engine.sample(REQUEST)  # waits for the new one
            assert engine._replicas[0].num_restarts == n
        return engine

    engine = with_engine(stand_in, use)
    assert len(calls(tmp_path)) == 3
    log = engine._logs / "teacher-0.log"
    assert log.exists()  # kept, for whoever wants to know


def test_a_replica_that_hangs_is_started_anew(stand_in, tmp_path, monkeypatch):
    for name, value in {"GRACE_S": 0.3, "_ASK_S": 0.1, "_ANSWER_S": 0.3, "_MOST_SILENT": 3}.items():
        monkeypatch.setattr(serving, name, value)

    async def use(engine):
        os.kill(calls(tmp_path)[0]["pids"][0], signal.SIGSTOP)
        assert (await engine.sample(REQUEST)).content
        assert engine._replicas[0].num_restarts == 1
        return (engine._logs / "teacher-0.log").read_text()

    assert "ServerError: no answer when asked for its health" in with_engine(stand_in, use)


def test_logs_lie_where_they_are_wanted(stand_in, tmp_path):
    config = EngineConfig(kind="vllm", vllm=VllmConfig(python=str(stand_in)))
    kept = Keeper(config, tmp_path / "servers")
    try:
        kept.run(kept.engine(ModelSpec("./models/a b", "folder", "/m", "abc")))
    finally:
        kept.close()
    (log,) = (tmp_path / "servers").iterdir()
    assert log.name == "models-a-b-0.log"


def test_requests_go_to_the_others_meanwhile(stand_in, tmp_path, monkeypatch):
    async def use(engine):
        monkeypatch.setattr(engine._replicas[0], "start", asyncio.Event().wait)  # takes forever
        port = engine._replicas[0].url.rpartition(":")[2].partition("/")[0]
        (line,) = (tmp_path / f"{port}.jsonl").read_text().splitlines()
        os.kill(json.loads(line)["pids"][0], signal.SIGKILL)
        answers = await asyncio.gather(*(engine.sample(REQUEST) for _ in range(20)))
        assert all(a.content for a in answers)

    with_engine(stand_in, use, replicas=2)


def test_what_waits_fails_once_all_have_died_too_often(stand_in, monkeypatch):
    async def use(engine):
        engine._replicas[0]._env["STAND_IN_CRASH"] = "99"
        engine._replicas[0]._process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.5)
        with pytest.raises(EngineError, match="teacher: the server died 4 times, last: ValueError"):
            await engine.sample(REQUEST)
        with pytest.raises(EngineError, match="died 4 times"):
            await engine.score(REQUEST, "x")

    with_engine(stand_in, use)


PARENT = """
import asyncio, os, sys
from scalediff.core.engine import ModelSpec
from scalediff.engines import EngineConfig, open_engine, shares
from scalediff.engines.config import VllmConfig
shares._count_gpus = lambda: 0
async def main():
    config = EngineConfig(kind="vllm", vllm=VllmConfig(python=sys.argv[1], replicas=2))
    engine = await open_engine(ModelSpec("teacher", "folder", "/m", "abc"), config)
    print("open", flush=True)
    if sys.argv[2] == "leave": return engine
    await asyncio.sleep(1000)
asyncio.run(main())
"""


@pytest.mark.parametrize("how", ["kill", "leave"])
def test_nothing_is_left_of_a_parent_that_is_killed_or_leaves(stand_in, tmp_path, how):
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(stand_in), how],
        stdout=subprocess.PIPE, text=True, env=env,
    )  # fmt: skip
    assert parent.stdout.readline() == "open\n"
    pids = [pid for call in calls(tmp_path) for pid in call["pids"]]
    assert len(pids) == 4
    if how == "kill":
        assert all(map(lives, pids))
        parent.kill()
    parent.communicate(timeout=200)
    until = time.monotonic() + serving.GRACE_S + 60
    while any(map(lives, pids)) and time.monotonic() < until:
        time.sleep(0.05)
    assert [pid for pid in pids if lives(pid)] == []


def test_a_server_goes_with_its_supervisor(stand_in, tmp_path):
    async def use(engine):
        engine._keeping.cancel()
        supervisor = engine._replicas[0]._process
        supervisor.kill()
        supervisor.wait()
        server, strayed = calls(tmp_path)[0]["pids"]
        while lives(server):
            await asyncio.sleep(0.05)
        os.kill(strayed, signal.SIGKILL)  # nobody is left to find this one
        while lives(strayed):
            await asyncio.sleep(0.05)

    with_engine(stand_in, use)


def test_the_telling_line_is_the_last_error_that_is_no_aftermath():
    tell = telling.telling_line
    assert tell("usage\napi_server.py: error: unrecognized arguments: --foo\n").endswith("--foo")
    assert tell("(W pid=1) INFO 01-02 10:00:00 [a.py:3] loading\n\n") == "loading"
    assert tell("") == ""
    assert len(tell("ValueError: " + "x" * 1000)) < 500
