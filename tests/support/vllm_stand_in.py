"""Takes the place of an interpreter that has vLLM: called as one, it starts the fault server.

The environment says how it behaves: ``STAND_IN_FOLDER`` where it notes its calls and process ids,
``STAND_IN_CRASH`` the number of starts that fail (for ``STAND_IN_CAUSE``), ``STAND_IN_MODE``
``no-vllm`` or ``hang``.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent


def main():
    mode = os.environ.get("STAND_IN_MODE", "")
    if sys.argv[1] == "-c":
        sys.exit(mode == "no-vllm")
    given = sys.argv[1:]
    port, served = (given[given.index(f) + 1] for f in ("--port", "--served-model-name"))
    folder = Path(os.environ["STAND_IN_FOLDER"])
    # as the compilers of kernels do, this one leaves the process group and its session
    strayed = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    note = {"argv": given, "env": dict(os.environ), "pids": [os.getpid(), strayed.pid]}
    with open(folder / f"{port}.jsonl", "a") as file:
        file.write(json.dumps(note) + "\n")
    num_starts = len((folder / f"{port}.jsonl").read_text().splitlines())
    if num_starts <= int(os.environ.get("STAND_IN_CRASH", "0")):
        print("(EngineCore pid=7) ERROR 11-26 13:05:37 [core.py:12] Traceback (most recent call)")
        cause = os.environ.get("STAND_IN_CAUSE", "no room for 9 GiB")
        print(f"(EngineCore pid=7) ERROR 11-26 13:05:37 [core.py:12] ValueError: {cause}")
        print("(APIServer pid=6) RuntimeError: Engine core initialization failed. See above")
        print("bye", flush=True)
        sys.exit(1)
    if mode == "hang":
        time.sleep(1000)
    del os.environ["PYTHONSAFEPATH"]  # the fault server has its parts beside it
    os.environ["PYTHONPATH"] = str(HERE.parents[1] / "src")
    server = [sys.executable, str(HERE / "fault_server.py"), "--port", port, "--name", served]
    os.execv(sys.executable, server)


main()
