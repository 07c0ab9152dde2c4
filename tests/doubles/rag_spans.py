"""Traces of a small RAG application, as rows of the table: what the viewer and the panel are shown in
tests.
"""

from __future__ import annotations

import json
import random
import time

from cloudberth.tracing import wire
from cloudberth.tracing.store import SpanRow

QUESTIONS = (
    ("How do I rotate the database password?", "Open Secrets, choose the database, press Rotate."),
    (
        "怎样把对象存储从阿里云迁移到 AWS?",
        "先运行 berth storage migrate --dry-run,确认计划后去掉 --dry-run。",
    ),
    ("Which regions have GPU machines?", "Three of them: the price list names each with its machine types."),
    ("为什么检索结果是空的?", "知识库的索引还没有建好,请等索引状态变成“可用”。"),
)
DOCUMENTS = (
    (
        "kb-12",
        "Secrets are rotated by the cloud's own store; services read them again at the next start.",
        0.91,
    ),
    ("kb-40", "迁移分三步:计划、复制、核对。每一步都可以中断后继续。", 0.78),
)
SECOND = 1_000_000_000


def rag_trace(
    number: int,
    *,
    start_ns: int | None = None,
    tenant: str = "acme",
    app: str = "support-bot",
    failed: bool = False,
    secret: str = "",
) -> list[SpanRow]:
    """Six spans: workflow, embedding, retriever, reranker, LLM, tool. Equal numbers give equal traces.

    secret: put into the prompt, to see where it turns up.
    """
    chance = random.Random(number)
    ago = chance.randrange(1, 20 * 3600)
    begun = start_ns if start_ns is not None else time.time_ns() - ago * SECOND
    question, answer = QUESTIONS[number % len(QUESTIONS)]
    question += secret
    trace_id = number.to_bytes(4, "big") + chance.randbytes(12)
    ids = [chance.randbytes(8) for _ in range(6)]
    scale = chance.lognormvariate(0, 0.5)
    resource = wire.attributes(
        wire.RESOURCE_ATTRIBUTE, {"service.name": "rag-api", "service.version": "1.4.0"}
    )
    tokens = (chance.randrange(300, 2500), chance.randrange(40, 600))
    cost = tokens[0] * 2.5e-6 + tokens[1] * 1e-5
    model = ("gpt-4.1-mini", "qwen-max", "claude-sonnet-4-5")[number % 3]
    documents = {}
    for place, (name, text, score) in enumerate(DOCUMENTS):
        documents[f"retrieval.documents.{place}.document.id"] = name
        documents[f"retrieval.documents.{place}.document.content"] = text
        documents[f"retrieval.documents.{place}.document.score"] = score
        documents[f"retrieval.documents.{place}.document.metadata"] = json.dumps({"source": f"{name}.md"})
    messages = {
        "llm.input_messages.0.message.role": "system",
        "llm.input_messages.0.message.content": "Answer from the documents only.",
        "llm.input_messages.1.message.role": "user",
        "llm.input_messages.1.message.content": question,
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.content": answer,
    }
    plan = (
        ("answer question", "CHAIN", None, 0.0, 2.4, {}),
        ("embed query", "EMBEDDING", 0, 0.02, 0.11, {"embedding.model_name": "text-embedding-3-small"}),
        ("search knowledge", "RETRIEVER", 0, 0.14, 0.36, documents),
        ("rerank", "RERANKER", 2, 0.31, 0.17, {"reranker.model_name": "bge-reranker-v2-m3"}),
        ("chat", "LLM", 0, 0.55, 1.6, {"llm.model_name": model, **messages}),
        ("send ticket", "TOOL", 0, 2.2, 0.15, {"tool.name": "ticket"}),
    )
    rows = []
    for place, (name, kind, parent, after, took, more) in enumerate(plan):
        at, long = begun + int(after * scale * SECOND), int(took * scale * SECOND)
        is_failed = failed and place in (0, 5)
        values = {
            "openinference.span.kind": kind,
            "session.id": f"session-{number // 3}",
            "user.id": f"user-{number % 7}",
            "input.value": question,
            "output.value": answer if not is_failed else "",
            **more,
        }
        parent_id = None if parent is None else ids[parent]
        said = "the ticket system did not answer" if is_failed else ""
        data = wire.span(
            trace_id, ids[place], parent_id, name, at, at + long, values, 2 if is_failed else 1, said
        )
        is_llm = kind == "LLM"
        rows.append(
            SpanRow(
                tenant,
                app,
                "rag-api",
                trace_id,
                ids[place],
                parent_id,
                name,
                kind,
                at,
                long,
                2 if is_failed else 1,
                f"session-{number // 3}",
                f"user-{number % 7}",
                model if is_llm else more.get("embedding.model_name"),
                "openai" if is_llm else None,
                tokens[0] if is_llm else None,
                tokens[1] if is_llm else None,
                128 if is_llm else None,
                None,
                cost if is_llm else None,
                int(0.4 * scale * SECOND) if is_llm else None,
                resource,
                data,
            )
        )
    return rows
