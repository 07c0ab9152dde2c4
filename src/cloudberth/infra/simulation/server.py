"""gRPC service of simulated providers on unix sockets.

`serve(["aws"])` starts the providers in this process and gives the value for TF_REATTACH_PROVIDERS; a
Terraform started with it talks to them without plugin files, TLS or a lock file.

Every configuration of a provider (an alias is one) opens its own connection but nothing in a request says
which configuration it belongs to, so each connection gets a provider instance of its own, as it would get a
process of its own in real life. gRPC for Python does not tell connections on a unix socket apart; `_Front`
therefore accepts them and passes the bytes on to one small gRPC server per connection.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, Final

import grpc

from cloudberth.infra.simulation.behaviour import Account
from cloudberth.infra.simulation.protocol import MESSAGES
from cloudberth.infra.simulation.provider import Objection, SimulatedProvider
from cloudberth.infra.simulation.registry import PROVIDERS, Registration
from cloudberth.infra.simulation.rules import Complaint
from cloudberth.infra.simulation.schema import ProviderSchema
from cloudberth.infra.simulation.sockets import socket_folder
from cloudberth.infra.simulation.values import Value, encode, from_message

ERROR: Final = 1
OPTIONS: Final = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
WORKERS: Final = 16


def _dynamic(value: Value) -> Any:
    return MESSAGES["DynamicValue"](msgpack=encode(value))


def _report(target: Any, complaints: Sequence[Complaint]) -> None:
    """Add complaints to a repeated Diagnostic field."""
    for complaint in complaints:
        entry = target.add(severity=ERROR, summary=complaint.summary, detail=complaint.detail)
        for step in complaint.path:
            if isinstance(step, int):
                entry.attribute.steps.add(element_key_int=step)
            else:
                entry.attribute.steps.add(attribute_name=step)


class Service:
    """The protocol's calls, each from a request message to a response message (or its bytes)."""

    def __init__(self, provider: SimulatedProvider, schema_bytes: bytes) -> None:
        self.provider = provider
        self.schema_bytes = schema_bytes

    def handlers(self) -> dict[str, tuple[str, Callable[[Any], Any]]]:
        """Call → (request message, method)."""
        return {
            "GetProviderSchema": ("Empty", lambda _: self.schema_bytes),
            "ValidateProviderConfig": ("ConfigRequest", self.validate_provider),
            "ConfigureProvider": ("ConfigureRequest", self.configure),
            "ValidateResourceConfig": ("TypedConfigRequest", self.validate_resource),
            "ValidateDataResourceConfig": ("TypedConfigRequest", self.validate_data),
            "ValidateEphemeralResourceConfig": ("TypedConfigRequest", self.validate_ephemeral),
            "UpgradeResourceState": ("UpgradeRequest", self.upgrade),
            "ReadResource": ("ReadRequest", self.read),
            "PlanResourceChange": ("PlanRequest", self.plan),
            "ApplyResourceChange": ("ApplyRequest", self.apply),
            "ImportResourceState": ("ImportRequest", self.import_state),
            "MoveResourceState": ("MoveRequest", self.move),
            "ReadDataSource": ("TypedConfigRequest", self.read_data),
            "OpenEphemeralResource": ("TypedConfigRequest", self.open),
            "RenewEphemeralResource": ("EphemeralRequest", lambda _: MESSAGES["RenewResponse"]()),
            "CloseEphemeralResource": ("EphemeralRequest", lambda _: MESSAGES["Diagnostics"]()),
            "GetFunctions": ("Empty", lambda _: MESSAGES["Empty"]()),
            "CallFunction": ("CallFunctionRequest", self.call_function),
            "StopProvider": ("Empty", lambda _: MESSAGES["StopResponse"]()),
        }

    def validate_provider(self, request: Any) -> Any:
        response = MESSAGES["ProviderConfigDiagnostics"]()
        _report(response.diagnostics, self.provider.validate_provider(from_message(request.config) or {}))
        return response

    def configure(self, request: Any) -> Any:
        self.provider.configure(from_message(request.config) or {})
        return MESSAGES["Diagnostics"]()

    def validate_resource(self, request: Any) -> Any:
        return self._validated(self.provider.validate_resource, request)

    def validate_data(self, request: Any) -> Any:
        return self._validated(self.provider.validate_data, request)

    def validate_ephemeral(self, request: Any) -> Any:
        return self._validated(self.provider.validate_ephemeral, request)

    def _validated(self, check: Callable[[str, Value], list[Complaint]], request: Any) -> Any:
        response = MESSAGES["Diagnostics"]()
        _report(response.diagnostics, check(request.type_name, from_message(request.config)))
        return response

    def upgrade(self, request: Any) -> Any:
        """State written by another version: attributes that the schema does not have are left out."""
        block = self.provider.schema.resource(request.type_name)
        stored = json.loads(request.raw_state.json)
        kept = {k: v for k, v in stored.items() if k in block.attributes or k in block.blocks}
        response = MESSAGES["UpgradeResponse"]()
        response.upgraded_state.json = json.dumps(kept).encode()
        return response

    def read(self, request: Any) -> Any:
        state = self.provider.read(request.type_name, from_message(request.current_state))
        return MESSAGES["ReadResponse"](new_state=_dynamic(state), private=request.private)

    def plan(self, request: Any) -> Any:
        planned = self.provider.plan(
            request.type_name,
            from_message(request.prior_state),
            from_message(request.proposed_new_state),
            from_message(request.config),
        )
        response = MESSAGES["PlanResponse"](planned_state=_dynamic(planned.state))
        for name in planned.replace:
            response.requires_replace.add().steps.add(attribute_name=name)
        return response

    def apply(self, request: Any) -> Any:
        response = MESSAGES["ApplyResponse"]()
        prior = from_message(request.prior_state)
        try:
            state = self.provider.apply(
                request.type_name, prior, from_message(request.planned_state), from_message(request.config)
            )
        except Objection as objection:
            _report(response.diagnostics, objection.complaints)
            state = prior
        response.new_state.CopyFrom(_dynamic(state))
        return response

    def import_state(self, request: Any) -> Any:
        state = self.provider.import_state(request.type_name, request.id)
        response = MESSAGES["ImportResponse"]()
        response.imported_resources.add(type_name=request.type_name, state=_dynamic(state))
        return response

    def move(self, request: Any) -> Any:
        response = MESSAGES["MoveResponse"]()
        words = f"{request.source_type_name} cannot be moved to {request.target_type_name} in a rehearsal."
        _report(response.diagnostics, [Complaint((), "Unsupported move", words)])
        return response

    def read_data(self, request: Any) -> Any:
        response = MESSAGES["DataResponse"]()
        try:
            state = self.provider.read_data(request.type_name, from_message(request.config))
            response.state.CopyFrom(_dynamic(state))
        except Objection as objection:
            _report(response.diagnostics, objection.complaints)
        return response

    def open(self, request: Any) -> Any:
        response = MESSAGES["OpenResponse"]()
        try:
            result = self.provider.open(request.type_name, from_message(request.config))
            response.result.CopyFrom(_dynamic(result))
        except Objection as objection:
            _report(response.diagnostics, objection.complaints)
        return response

    def call_function(self, request: Any) -> Any:
        words = f"the simulated provider has no functions (asked for {request.name})"
        return MESSAGES["CallFunctionResponse"](error=MESSAGES["FunctionError"](text=words))


class _Router(grpc.GenericRpcHandler):  # type: ignore[misc]
    """From a method name to the Service; what Terraform may ask but we do not have is "unimplemented"."""

    def __init__(self, service: Service, shutdown: Callable[[], None] | None = None) -> None:
        self.calls = service.handlers()
        self.shutdown = shutdown

    def service(self, call: Any) -> Any:
        service, _, method = call.method.rpartition("/")
        if service.endswith("GRPCController") and method == "Shutdown" and self.shutdown:
            return grpc.unary_unary_rpc_method_handler(self._stop)
        if not service.startswith("/tfplugin") or method not in self.calls:
            return None
        request, function = self.calls[method]
        return grpc.unary_unary_rpc_method_handler(
            _guarded(function),
            request_deserializer=MESSAGES[request].FromString,
            response_serializer=lambda message: (
                message if isinstance(message, bytes) else message.SerializeToString()
            ),
        )

    def _stop(self, _request: bytes, _context: Any) -> bytes:
        if self.shutdown:
            self.shutdown()
        return b""


def _guarded(function: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    """A fault of the simulation reaches Terraform as an error with words, not as a lost connection."""

    def call(request: Any, context: Any) -> Any:
        try:
            return function(request)
        except Exception as error:
            name = getattr(request, "type_name", "")
            context.abort(
                grpc.StatusCode.INTERNAL,
                f"the simulated provider failed on {name or 'a request'}: {type(error).__name__}: {error}",
            )

    return call


def grpc_server(
    service: Service, pool: ThreadPoolExecutor, shutdown: Callable[[], None] | None = None
) -> Any:
    return grpc.server(pool, handlers=(_Router(service, shutdown),), options=OPTIONS)


class SimulatedAccount:
    """One provider with everything that its connections share."""

    def __init__(self, name: str, registration: Registration, delay: float = 0.0) -> None:
        self.name = name
        self.registration = registration
        self.account = Account(delay)
        self.schema = ProviderSchema.load(name)
        self.schema_bytes = self.schema.serialised(registration.behaviour.sensitive)

    def service(self) -> Service:
        """A fresh provider instance on the shared account."""
        behaviour = self.registration.behaviour(self.account)
        return Service(SimulatedProvider(self.schema, behaviour), self.schema_bytes)


class _Front:
    """Listens on one unix socket and gives every connection a gRPC server of its own."""

    def __init__(self, account: SimulatedAccount, folder: FilePath, pool: ThreadPoolExecutor) -> None:
        self.account = account
        self.folder = folder
        self.pool = pool
        self.address = folder / f"{account.name}.sock"
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(self.address))
        self.listener.listen()
        self.servers: list[Any] = []
        self.sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, name=f"simulated-{account.name}", daemon=True).start()

    def _accept(self) -> None:
        # close() ends the loop: accept on a closed socket raises OSError.
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self._connect(connection)

    def _connect(self, connection: socket.socket) -> None:
        server = grpc_server(self.account.service(), self.pool)
        address = self.folder / f"{self.account.name}-{len(self.servers)}.sock"
        server.add_insecure_port(f"unix://{address}")
        server.start()
        self.servers.append(server)
        inner = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        inner.connect(str(address))
        self.sockets += [connection, inner]
        for source, target in ((connection, inner), (inner, connection)):
            threading.Thread(target=_pump, args=(source, target), daemon=True).start()

    def close(self) -> None:
        # shutdown wakes a blocked accept or recv; close alone would leave its thread hanging on Linux.
        for item in (self.listener, *self.sockets):
            with contextlib.suppress(OSError):
                item.shutdown(socket.SHUT_RDWR)
            item.close()
        for server in self.servers:
            server.stop(0)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@dataclass(frozen=True, slots=True)
class Serving:
    """Running simulated providers.

    reattach: the value for TF_REATTACH_PROVIDERS. versions: provider → version of the schema. accounts:
    provider → what exists in it (and which secrets it saw).
    """

    reattach: str
    versions: dict[str, str]
    accounts: dict[str, Account]


@contextlib.contextmanager
def serve(names: Sequence[str] = tuple(PROVIDERS)) -> Iterator[Serving]:
    """Serve providers from this process until the block ends."""
    with socket_folder("berth-s") as folder:
        yield from _serve(names, folder)


def _serve(names: Sequence[str], folder: FilePath) -> Iterator[Serving]:
    pool = ThreadPoolExecutor(max_workers=WORKERS, thread_name_prefix="simulated-provider")
    accounts = [SimulatedAccount(name, PROVIDERS[name]) for name in names]
    fronts: list[_Front] = []
    try:
        fronts += [_Front(account, folder, pool) for account in accounts]
        yield Serving(
            reattach=json.dumps(_reattach(fronts)),
            versions={account.name: account.schema.version for account in accounts},
            accounts={account.name: account.account for account in accounts},
        )
    finally:
        for front in fronts:
            front.close()
        pool.shutdown(wait=False, cancel_futures=True)


def _reattach(fronts: Sequence[_Front]) -> dict[str, Any]:
    return {
        source: {
            "Protocol": "grpc",
            "ProtocolVersion": 6,
            "Pid": os.getpid(),
            "Test": True,  # Terraform must not end this process
            "Addr": {"Network": "unix", "String": str(front.address)},
        }
        for front in fronts
        for source in front.account.registration.sources
    }
