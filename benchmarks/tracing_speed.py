"""What tracing costs an application, beside OpenTelemetry's BatchSpanProcessor with as many exporters, in one
run.

    python benchmarks/tracing_speed.py [--spans 16000] [--runs 3] [--destinations 1,6] [--faults] [--memory]

The load is a trace of six spans of a RAG application, about 1 KB each, at full rate. The peers are
opentelemetry-sdk with the same attributes: without any processor, and with one BatchSpanProcessor and
OTLP/HTTP exporter per destination. Every run is a process of its own and the contestants take turns; figures
are medians. Sinks are processes of their own and decompress what they take. CPU is that of the application's
process; our exporter's is shown beside, as it may run elsewhere. "wall" is the time that the application's
thread needs per span. --faults: the same load while one destination each hangs, answers 503, resets, refuses
and is slow. --rate: pauses between the traces, as applications have; wall is then the median of a trace, and
the CPU of the thread holds the pauses. Read figures as ratios; nothing is asserted.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import resource
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

QUESTION = "What is the refund policy of the shop, and how long does it take until the money is back? " * 2
ANSWER = "You can return everything within thirty days; the money is back after five working days. " * 2
DOCUMENTS = [
    {
        "id": f"kb-{n}",
        "content": "Refunds are possible within thirty days after delivery. " * 3,
        "score": 0.9 - n / 10,
    }
    for n in range(3)
]
PER_TRACE = 6
RATE = "TRACING_SPEED_RATE"
FAULTS = ("ok", "hang", "503", "reset", "refuse", "slow")


def main() -> None:
    if len(sys.argv) > 1 and sys.argv[1] in ("sink", "ours", "peer"):
        print(json.dumps({"sink": sink, "ours": ours, "peer": peer}[sys.argv[1]](*sys.argv[2:])), flush=True)
        return
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--spans", type=int, default=16_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--destinations", default="1,6")
    parser.add_argument("--faults", action="store_true")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--rate", type=float, help="traces a second; as fast as can be without it")
    arguments = parser.parse_args()
    if arguments.rate:
        os.environ[RATE] = str(arguments.rate)
    counts = [int(each) for each in arguments.destinations.split(",")]
    print(f"{arguments.spans} spans, median of {arguments.runs} runs; load average {os.getloadavg()[0]:.1f}")
    contestants: dict[str, tuple[str, list[str]]] = {"opentelemetry, no processor": ("peer", [])}
    for count in counts:
        contestants[f"opentelemetry, {count} exporter{'s' * (count > 1)}"] = ("peer", ["ok"] * count)
        contestants[f"cloudberth, {count} destination{'s' * (count > 1)}"] = ("ours", ["ok"] * count)
    if arguments.faults:
        contestants["cloudberth, no destination"] = ("ours", [])
        contestants["cloudberth, six with five faults"] = ("ours", list(FAULTS))
        contestants["opentelemetry, six with five faults"] = ("peer", list(FAULTS))
    results: dict[str, list[dict[str, float]]] = {name: [] for name in contestants}
    for _ in range(arguments.runs):
        for name, (who, modes) in contestants.items():
            results[name].append(measure(who, modes, arguments.spans))
    show(results)
    if arguments.memory:
        memory()


def show(results: dict[str, list[dict[str, float]]]) -> None:
    columns = ("wall", "thread", "process", "exporter", "delivered", "exit", "rss")
    heads = zip(columns, (8, 8, 9, 10, 11, 8, 8), strict=True)
    print("\n" + " " * 38 + "".join(f"{name:>{width}}" for name, width in heads))
    print(f"{'':38}{'µs/span':>8}{'µs CPU':>8}{'µs CPU':>9}{'µs CPU':>10}{'worst %':>11}{'s':>8}{'MB':>8}")
    for name, runs in results.items():
        middle = {each: statistics.median(run[each] for run in runs) for each in columns}
        print(
            f"{name:38}{middle['wall']:8.0f}{middle['thread']:8.0f}{middle['process']:9.0f}"
            f"{middle['exporter']:10.0f}{middle['delivered']:11.1f}{middle['exit']:8.2f}{middle['rss']:8.0f}"
        )
    for count in (1, 6):
        ours_ = results.get(f"cloudberth, {count} destination{'s' * (count > 1)}")
        peer_ = results.get(f"opentelemetry, {count} exporter{'s' * (count > 1)}")
        if ours_ and peer_:
            mine, theirs = (statistics.median(run["process"] for run in each) for each in (ours_, peer_))
            both = statistics.median(run["process"] + run["exporter"] for run in ours_)
            print(
                f"\n{count}: the application's process takes {mine / theirs:.2f} of OpenTelemetry's CPU per "
                f"span, with our exporter {both / theirs:.2f}"
            )


def measure(who: str, modes: list[str], spans: int) -> dict[str, float]:
    with ExitStack() as stack:
        sinks = [stack.enter_context(running_sink(mode)) for mode in modes]
        command = [sys.executable, __file__, who, str(spans), *(url for url, _ in sinks)]
        environment = {**os.environ, "BERTH_TRACES_ALLOW": "127.0.0.1/32"}
        started = time.monotonic()
        answer = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if answer.returncode:
            raise SystemExit(answer.stderr[-2000:])
        found: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
        found["exit"] = time.monotonic() - started - found.pop("until")
        healthy = [stop() for (_, stop), mode in zip(sinks, modes, strict=True) if mode in ("ok", "slow")]
        found["delivered"] = 100 * min(healthy) / found["sent"] if healthy else float("nan")
    return found


# The load


def trace(open_span: Callable[..., Any]) -> None:
    """One trace; open_span(kind, name, attributes) is a context manager that gives a function for the end."""
    session = {"session.id": "chat-7", "user.id": "ann"}
    with open_span("CHAIN", "answer", {"input.value": QUESTION, **session}) as done:
        with open_span("GUARDRAIL", "moderation", {"input.value": QUESTION, **session}):
            pass
        with open_span(
            "EMBEDDING", "embed", {"input.value": QUESTION, "model": "text-embedding-3", **session}
        ):
            pass
        with open_span("RETRIEVER", "search", {"input.value": QUESTION, "documents": DOCUMENTS, **session}):
            pass
        with open_span("RERANKER", "rank", {"input.value": QUESTION, "documents": DOCUMENTS[:1], **session}):
            pass
        usage = {"input": 812, "output": 96, "cached": 512}
        with open_span(
            "LLM", "chat", {"input.value": QUESTION, "model": "gpt-4o", "usage": usage, **session}
        ) as end:
            end(ANSWER)
        done(ANSWER)


def run_load(open_span: Callable[..., Any], spans: int) -> dict[str, float]:
    rounds = spans // PER_TRACE
    pause = 1 / float(os.environ[RATE]) if RATE in os.environ else 0.0
    walls: list[float] = []
    thread = time.thread_time()
    for _ in range(rounds):
        if pause:
            time.sleep(pause)
        began = time.perf_counter()
        trace(open_span)
        walls.append(time.perf_counter() - began)
    count = rounds * PER_TRACE
    wall = statistics.median(walls) / PER_TRACE if pause else sum(walls) / count
    return {"sent": count, "wall": wall * 1e6, "thread": (time.thread_time() - thread) / count * 1e6}


def ours(spans: str, *urls: str) -> dict[str, float]:
    """Our tracer, its store, and an exporter process."""
    began = time.monotonic()
    from cloudberth.tracing import Kind, open_tracer
    from cloudberth.tracing.cursors import read_states
    from cloudberth.tracing.destinations import Destinations, Draft
    from cloudberth.tracing.store import TraceStore
    from cloudberth.tracing.supervision import Supervisor

    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/traces.db"
        store = TraceStore.open(url)
        found = Destinations(store.database)
        made = [found.create(Draft("otlp", settings={"url": f"{each}/v1/traces"})).id for each in urls]
        supervisor = Supervisor(url, report=lambda _line: None)
        supervisor.start()
        time.sleep(1.5)
        tracer = open_tracer(url, service="shop", app="assistant")

        @contextmanager
        def open_span(kind: str, name: str, given: dict[str, Any]) -> Iterator[Callable[[str], object]]:
            with tracer.span(
                Kind(kind), name, input=given["input.value"], session=given["session.id"],
                user=given["user.id"], model=given.get("model"),
            ) as span:  # fmt: skip
                if "documents" in given:
                    span.documents(given["documents"])
                if "usage" in given:
                    span.usage(**given["usage"])
                yield span.output

        run_load(open_span, 60)
        tracer.flush()
        process = time.process_time()
        result = run_load(open_span, int(spans))
        tracer.flush(60)
        result["process"] = (time.process_time() - process) / result["sent"] * 1e6
        result["lost"] = tracer.state.lost
        healthy = set(made) - {
            name for name, state in read_states(store.database).items() if state.last_error
        }
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            states = read_states(store.database)
            if all(states[name].queued == 0 for name in healthy if not states[name].last_error):
                break
            time.sleep(0.1)
        result["rss"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        supervisor.stop()
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        result["exporter"] = (children.ru_utime + children.ru_stime) / result["sent"] * 1e6
        store.close()
        result["until"] = time.monotonic() - began
        result["sent"] += 60
        return result


def peer(spans: str, *urls: str) -> dict[str, float]:
    """opentelemetry-sdk with one BatchSpanProcessor per destination."""
    began = time.monotonic()
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    provider = TracerProvider(resource=Resource.create({"service.name": "shop"}), shutdown_on_exit=True)
    if urls:
        from opentelemetry.exporter.otlp.proto.http import Compression
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        for each in urls:
            exporter = OTLPSpanExporter(endpoint=f"{each}/v1/traces", compression=Compression.Gzip)
            provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("shop")
    operations = {
        "CHAIN": "invoke_workflow",
        "LLM": "chat",
        "RETRIEVER": "retrieval",
        "EMBEDDING": "embeddings",
    }

    @contextmanager
    def open_span(kind: str, name: str, given: dict[str, Any]) -> Iterator[Callable[[str], object]]:
        with tracer.start_as_current_span(name) as span:
            put = span.set_attribute
            put("openinference.span.kind", kind)
            if kind in operations:
                put("gen_ai.operation.name", operations[kind])
            put("input.value", given["input.value"])
            put("input.mime_type", "text/plain")
            put("session.id", given["session.id"])
            put("gen_ai.conversation.id", given["session.id"])
            put("user.id", given["user.id"])
            if "model" in given:
                put("gen_ai.request.model", given["model"])
                put("llm.model_name", given["model"])
            for number, document in enumerate(given.get("documents", ())):
                for field, value in document.items():
                    put(f"retrieval.documents.{number}.document.{field}", value)
            if "usage" in given:
                use = given["usage"]
                for field, value in (
                    ("gen_ai.usage.input_tokens", use["input"]), ("llm.token_count.prompt", use["input"]),
                    ("gen_ai.usage.output_tokens", use["output"]),
                    ("llm.token_count.completion", use["output"]),
                    ("llm.token_count.total", use["input"] + use["output"]),
                    ("gen_ai.usage.cache_read.input_tokens", use["cached"]),
                    ("llm.token_count.prompt_details.cache_read", use["cached"]),
                ):  # fmt: skip
                    put(field, value)

            def end(answer: str) -> None:
                put("output.value", answer)
                put("output.mime_type", "text/plain")

            yield end

    run_load(open_span, 60)
    process = time.process_time()
    result = run_load(open_span, int(spans))
    provider.force_flush(60_000)
    result["process"] = (time.process_time() - process) / result["sent"] * 1e6
    result["exporter"] = 0
    result["rss"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    result["until"] = time.monotonic() - began
    result["sent"] += 60
    return result


# The sinks


@contextmanager
def running_sink(mode: str) -> Iterator[tuple[str, Callable[[], int]]]:
    """A sink in a process of its own: its address, and a function that stops it and gives what it took."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    if mode == "refuse":
        yield f"http://127.0.0.1:{port}", lambda: 0
        return
    process = subprocess.Popen(
        [sys.executable, __file__, "sink", mode, str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    if process.stdin is None or process.stdout is None:
        raise SystemExit("no pipes")
    process.stdout.readline()

    def stop() -> int:
        out, _ = process.communicate("stop\n", timeout=60)
        return int(json.loads(out.splitlines()[-1]))

    try:
        yield f"http://127.0.0.1:{port}", stop
    finally:
        process.kill()


def sink(mode: str, port: str) -> int:
    """Counts different spans by their ids."""
    taken: set[bytes] = set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if mode == "hang":
                time.sleep(60)
            if mode == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
                self.close_connection = True
                return
            if mode == "slow":
                time.sleep(0.3)
            if mode != "503":
                plain = gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body
                taken.update(span_ids(plain))
            self.send_response(503 if mode == "503" else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_arguments: object) -> None:
            pass

    server = Server(("127.0.0.1", int(port)), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("ready", flush=True)
    sys.stdin.readline()
    return len(taken)


def span_ids(message: bytes) -> Iterator[bytes]:
    """The ids of the spans of a request, without taking the spans apart."""
    from cloudberth.tracing.decoding import fields

    for number, wire, start, stop in fields(message, 0, len(message)):
        if (number, wire) != (1, 2):
            continue
        for each, kind, first, last in fields(message, start, stop):
            if (each, kind) != (2, 2):
                continue
            for part, form, begin, end in fields(message, first, last):
                if (part, form) == (2, 2):
                    for name, _, low, high in fields(message, begin, end):
                        if name == 2:
                            yield message[low:high]
                            break


def memory() -> None:
    """2,000 spans of 1 MB while nobody takes them."""
    program = """
import resource, tempfile
from cloudberth.tracing import open_tracer
with tempfile.TemporaryDirectory() as folder:
    tracer = open_tracer(f"sqlite:///{folder}/traces.db")
    for number in range(2000):
        with tracer.llm("large") as span:
            span.input(str(number % 10) * 1_000_000)
    tracer.close(120)
    state = tracer.state
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, state.written, state.lost)
"""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    peak, written, lost = answer.stdout.split()
    print(f"\n2,000 spans of 1 MB: {peak} MB at most, {written} written, {lost} dropped and counted")


if __name__ == "__main__":
    main()
