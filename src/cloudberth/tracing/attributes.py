"""Every attribute name that Cloudberth writes or reads, pinned here and nowhere else.

Two vocabularies make up the canonical span: OpenTelemetry's GenAI conventions (the registry of 1.45, with
the old and new names where it renamed one) and OpenInference 0.1.42. What a provider wants beyond them is
in its profile.
"""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What a span is; the values are OpenInference's span kinds. WORKFLOW is its CHAIN."""

    WORKFLOW = "CHAIN"
    LLM = "LLM"
    RETRIEVER = "RETRIEVER"
    EMBEDDING = "EMBEDDING"
    RERANKER = "RERANKER"
    TOOL = "TOOL"
    AGENT = "AGENT"
    GUARDRAIL = "GUARDRAIL"


class Status(StrEnum):
    """How a span ended."""

    UNSET = "unset"
    OK = "ok"
    ERROR = "error"


# The number of a status in the OTLP wire format (opentelemetry.proto.trace.v1.Status.StatusCode).
STATUS_CODES = {Status.UNSET: 0, Status.OK: 1, Status.ERROR: 2}

# OpenTelemetry GenAI.
OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
SYSTEM = "gen_ai.system"  # what PROVIDER was called before 1.37
REQUEST_MODEL = "gen_ai.request.model"
RESPONSE_MODEL = "gen_ai.response.model"
CONVERSATION = "gen_ai.conversation.id"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHE_READ_TOKENS = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITE_TOKENS = "gen_ai.usage.cache_creation.input_tokens"
REASONING_TOKENS = "gen_ai.usage.reasoning.output_tokens"
COST = "gen_ai.usage.cost"
FIRST_TOKEN = "gen_ai.response.time_to_first_chunk"  # noqa: S105 (seconds)
TOOL_NAME = "gen_ai.tool.name"
TOOL_CALL = "gen_ai.tool.call.id"
AGENT_NAME = "gen_ai.agent.name"
INPUT_MESSAGES = "gen_ai.input.messages"
OUTPUT_MESSAGES = "gen_ai.output.messages"
ERROR_TYPE = "error.type"

# OpenInference.
OI_KIND = "openinference.span.kind"
OI_INPUT = "input.value"
OI_INPUT_TYPE = "input.mime_type"
OI_OUTPUT = "output.value"
OI_OUTPUT_TYPE = "output.mime_type"
OI_SESSION = "session.id"
OI_USER = "user.id"
OI_TAGS = "tag.tags"
OI_METADATA = "metadata"
OI_MODEL = "llm.model_name"
OI_PROVIDER = "llm.provider"
OI_PROMPT_TOKENS = "llm.token_count.prompt"
OI_COMPLETION_TOKENS = "llm.token_count.completion"
OI_TOTAL_TOKENS = "llm.token_count.total"
OI_CACHE_READ = "llm.token_count.prompt_details.cache_read"
OI_CACHE_WRITE = "llm.token_count.prompt_details.cache_write"
OI_REASONING = "llm.token_count.completion_details.reasoning"
OI_COST = "llm.cost.total"
OI_EMBEDDING_MODEL = "embedding.model_name"
OI_RERANKER_MODEL = "reranker.model_name"
OI_RERANKER_QUERY = "reranker.query"
OI_TOOL = "tool.name"
OI_PARAMETERS = "llm.invocation_parameters"
OI_DOCUMENTS = "retrieval.documents"
OI_RERANKED = "reranker.output_documents"
OI_INPUT_MESSAGES = "llm.input_messages"
OI_OUTPUT_MESSAGES = "llm.output_messages"

# Ours: what neither vocabulary has a name for.
TENANT = "cloudberth.tenant.id"
APP = "cloudberth.app.id"
SCOPE = "otel.scope.name"

# Resource.
SERVICE = "service.name"
SERVICE_VERSION = "service.version"
OI_PROJECT = "openinference.project.name"
SDK_NAME = "telemetry.sdk.name"
SDK_LANGUAGE = "telemetry.sdk.language"
SDK_VERSION = "telemetry.sdk.version"

TEXT_TYPE = "text/plain"
JSON_TYPE = "application/json"

# Kind → GenAI operation. The conventions have none for reranking and guardrails, so those spans carry only
# the kind.
OPERATIONS = {
    Kind.WORKFLOW: "invoke_workflow",
    Kind.LLM: "chat",
    Kind.RETRIEVER: "retrieval",
    Kind.EMBEDDING: "embeddings",
    Kind.TOOL: "execute_tool",
    Kind.AGENT: "invoke_agent",
}

# Words that others use for a kind, lower case → ours. Sources: GenAI operations, traceloop, Langfuse,
# LangSmith.
KIND_WORDS = {
    **{kind.value.lower(): kind for kind in Kind},
    "workflow": Kind.WORKFLOW,
    "invoke_workflow": Kind.WORKFLOW,
    "task": Kind.WORKFLOW,
    "span": Kind.WORKFLOW,
    "entry": Kind.WORKFLOW,
    "step": Kind.WORKFLOW,
    "chat": Kind.LLM,
    "text_completion": Kind.LLM,
    "generate_content": Kind.LLM,
    "generation": Kind.LLM,
    "retrieval": Kind.RETRIEVER,
    "embeddings": Kind.EMBEDDING,
    "rerank": Kind.RERANKER,
    "execute_tool": Kind.TOOL,
    "invoke_agent": Kind.AGENT,
    "create_agent": Kind.AGENT,
}

# Where a fact may stand on a span that somebody else recorded, best first.
READ_KIND = (
    OI_KIND,
    "gen_ai.span.kind",
    "langfuse.observation.type",
    "langsmith.span.kind",
    "traceloop.span.kind",
    OPERATION,
)
READ_SESSION = (
    OI_SESSION,
    CONVERSATION,
    "langfuse.session.id",
    "gen_ai.session.id",
    "langsmith.metadata.session_id",
    "thread_id",
)
READ_USER = (OI_USER, "langfuse.user.id", "gen_ai.user.id", "enduser.id", "langsmith.metadata.user_id")
READ_MODEL = (RESPONSE_MODEL, REQUEST_MODEL, OI_MODEL, OI_EMBEDDING_MODEL, OI_RERANKER_MODEL)
READ_PROVIDER = (PROVIDER, SYSTEM, OI_PROVIDER, "llm.system")
READ_INPUT_TOKENS = (INPUT_TOKENS, OI_PROMPT_TOKENS, "gen_ai.usage.prompt_tokens")
READ_OUTPUT_TOKENS = (OUTPUT_TOKENS, OI_COMPLETION_TOKENS, "gen_ai.usage.completion_tokens")
READ_CACHED = (CACHE_READ_TOKENS, OI_CACHE_READ, "gen_ai.usage.cached_input_tokens")
READ_REASONING = (REASONING_TOKENS, OI_REASONING)
READ_COST = (COST, OI_COST)
READ_INPUT = (
    OI_INPUT,
    INPUT_MESSAGES,
    "gen_ai.prompt",
    "langfuse.observation.input",
    "traceloop.entity.input",
)
READ_OUTPUT = (
    OI_OUTPUT,
    OUTPUT_MESSAGES,
    "gen_ai.completion",
    "langfuse.observation.output",
    "traceloop.entity.output",
)

# What people wrote and models answered: the content policy takes these away or cuts them, by name or by
# prefix.
CONTENT = frozenset(
    {
        OI_INPUT,
        OI_OUTPUT,
        INPUT_MESSAGES,
        OUTPUT_MESSAGES,
        OI_METADATA,
        OI_RERANKER_QUERY,
        "gen_ai.system_instructions",
        "gen_ai.tool.call.arguments",
        "gen_ai.tool.call.result",
        "gen_ai.tool.definitions",
        "gen_ai.prompt",
        "gen_ai.completion",
        "langfuse.observation.input",
        "langfuse.observation.output",
        "langfuse.trace.input",
        "langfuse.trace.output",
        "traceloop.entity.input",
        "traceloop.entity.output",
        "tool.parameters",
        "retrieval.query",
        "retrieval.document",
        "exception.message",
        "exception.stacktrace",
    }
)
CONTENT_PREFIXES = (
    "llm.input_messages.",
    "llm.output_messages.",
    "llm.prompts.",
    "llm.completions.",
    "llm.prompt_template.",
    "retrieval.documents.",
    "reranker.input_documents.",
    "reranker.output_documents.",
    "embedding.embeddings.",
    "gen_ai.prompt.",
    "gen_ai.completion.",
    "metadata.",
    "input.",
    "output.",
)


def is_content(name: str) -> bool:
    """Whether an attribute holds what people wrote or models answered."""
    return name in CONTENT or name.startswith(CONTENT_PREFIXES)
