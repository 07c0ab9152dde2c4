"""A provider simulated from its schema: what Terraform asks of any provider, answered without a cloud.

Strict where real providers of the older kind are lenient: the result of an apply is exactly what was planned,
with every unknown filled in, and Terraform itself checks that.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from cloudberth.infra.simulation.behaviour import Account, Behaviour, Subject, Unanswerable, digest
from cloudberth.infra.simulation.rules import AnyRule, Complaint, dotted
from cloudberth.infra.simulation.schema import Attribute, Block, NestedBlock, Nesting, ProviderSchema, Type
from cloudberth.infra.simulation.values import UNKNOWN, Path, Value, known, strings

Change = Callable[[str | int | None, Mapping[str, Value]], Value]
"""(position, proposed value) of one nested block → its planned value."""

ABSENT: Final[Mapping[Nesting, Value]] = {
    Nesting.LIST: [],
    Nesting.SET: [],
    Nesting.MAP: {},
    Nesting.SINGLE: None,
    Nesting.GROUP: None,
}
"""What a block whose instances never became known ends as."""


@dataclass(frozen=True, slots=True)
class Planned:
    """state: None for a destruction. replace: top-level names whose change forces a new resource."""

    state: dict[str, Value] | None
    replace: tuple[str, ...] = ()


class Objection(Exception):
    """The simulated cloud refuses; Terraform reports the complaints as errors."""

    def __init__(self, *complaints: Complaint) -> None:
        super().__init__("; ".join(complaint.detail for complaint in complaints))
        self.complaints = complaints


@contextlib.contextmanager
def _answered(name: str) -> Iterator[None]:
    """Unanswerable questions about a type become objections."""
    try:
        yield
    except Unanswerable as error:
        raise Objection(Complaint((), f"reading {name}", str(error))) from error


class SimulatedProvider:
    """One configuration of one provider (an alias is another one); they share the account."""

    def __init__(self, schema: ProviderSchema, behaviour: Behaviour) -> None:
        self.schema = schema
        self.behaviour = behaviour

    @property
    def account(self) -> Account:
        return self.behaviour.account

    # ---- validate ------------------------------------------------------------------------------------------

    def validate_provider(self, config: Mapping[str, Value]) -> list[Complaint]:
        return list(self.behaviour.check_provider(config))

    def configure(self, config: Mapping[str, Value]) -> None:
        self.behaviour.settings = config

    def validate_resource(self, name: str, config: Value) -> list[Complaint]:
        return self._validate(self.schema.resource(name), config, self.behaviour.rules(name))

    def validate_data(self, name: str, config: Value) -> list[Complaint]:
        return self._validate(self.schema.data_source(name), config, self.behaviour.data_rules(name))

    def validate_ephemeral(self, name: str, config: Value) -> list[Complaint]:
        return self._validate(self.schema.ephemeral(name), config, self.behaviour.data_rules(name))

    def _validate(self, block: Block, config: Value, rules: Iterable[AnyRule]) -> list[Complaint]:
        complaints = list(_settings_of_read_only(block, config))
        for rule in rules:
            complaints.extend(rule.complaints(config))
        return complaints

    # ---- plan ----------------------------------------------------------------------------------------------

    def plan(self, name: str, prior: Value, proposed: Value, config: Value) -> Planned:
        if proposed is None:
            return Planned(None)
        block = self.schema.resource(name)
        state = _with_unknowns(block, proposed) if prior is None else _changed(block, prior, proposed)
        state.update(self.behaviour.known_at_plan(name, block, state, config))
        if prior is None:
            return Planned(state)
        changed = frozenset(key for key, value in state.items() if value != prior.get(key))
        for attribute in self.behaviour.renewed(name, changed, state) if changed else ():
            if config.get(attribute) is None:
                state[attribute] = UNKNOWN
        forcing = self.behaviour.force_new(name)
        return Planned(state, tuple(sorted(k for k in changed & forcing if not _empty(prior.get(k)))))

    # ---- apply ---------------------------------------------------------------------------------------------

    def apply(self, name: str, prior: Value, planned: Value, config: Value) -> dict[str, Value] | None:
        """The new state; raises Objection when the cloud would refuse."""
        time.sleep(self.account.delay)
        if planned is None:
            self.account.remove(name, prior)
            return None
        complaints = self.behaviour.objections(name, prior, planned)
        if complaints:
            raise Objection(*complaints)
        block = self.schema.resource(name)
        self._remember_write_only(block, config)
        state = self._resolved(block, self._subject(name, prior, planned), planned)
        self.account.put(name, state)
        self.behaviour.happened(name, state, config)
        return state

    def _subject(self, name: str, prior: Value, planned: Mapping[str, Value]) -> Subject:
        settled = {key: value for key, value in planned.items() if known(value) and value is not None}
        if prior is not None:
            # In-place: things derived from the seed stay what they were, only renewed ones differ.
            return Subject(name, digest(40, name, prior.get("id"), settled), settled, before=prior)
        key = digest(40, name, settled)
        ordinal = self.account.ordinal(key)
        return Subject(name, f"{key}.{ordinal}" if ordinal else key, settled)

    def _remember_write_only(self, block: Block, config: Value) -> None:
        with self.account.lock:
            self.account.secrets.update(_write_only_strings(block, config))

    def _resolved(self, block: Block, subject: Subject, planned: Mapping[str, Value]) -> dict[str, Value]:
        state = dict(planned)
        for name, attribute in block.attributes.items():
            if state.get(name) is UNKNOWN:
                state[name] = self.behaviour.top_level(subject, attribute)
            elif not known(state.get(name)):
                completed = self.behaviour.completed(subject, attribute, state[name])
                filled = self._filled(subject, (name,), attribute.type, state[name])
                state[name] = filled if completed is None else completed
        for name, nested in block.blocks.items():
            state[name] = self._resolved_block(nested, subject, (name,), state.get(name))
        return state

    def _resolved_block(self, nested: NestedBlock, subject: Subject, path: Path, value: Value) -> Value:
        if value is None or value is UNKNOWN:
            return value if value is None else ABSENT[nested.nesting]
        if isinstance(value, list):
            return [self._resolved_inner(nested.block, subject, (*path, i), v) for i, v in enumerate(value)]
        if nested.nesting is Nesting.MAP:
            return {k: self._resolved_inner(nested.block, subject, (*path, k), v) for k, v in value.items()}
        return self._resolved_inner(nested.block, subject, path, value)

    def _resolved_inner(self, block: Block, subject: Subject, path: Path, value: Value) -> dict[str, Value]:
        state = dict(value)
        for name, attribute in block.attributes.items():
            if not known(state.get(name)):
                state[name] = self._filled(subject, (*path, name), attribute.type, state[name])
        for name, nested in block.blocks.items():
            state[name] = self._resolved_block(nested, subject, (*path, name), state.get(name))
        return state

    def _filled(self, subject: Subject, path: Path, kind: Type, value: Value) -> Value:
        if value is UNKNOWN:
            return self.behaviour.invented(subject, path, kind)
        if isinstance(value, Mapping):
            inner = kind[1] if kind[0] == "object" else dict.fromkeys(value, kind[1])
            return {key: self._filled(subject, (*path, key), inner[key], item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._filled(subject, (*path, i), kind[1], item) for i, item in enumerate(value)]
        return value

    # ---- read ----------------------------------------------------------------------------------------------

    def read(self, name: str, state: Value) -> Value:
        """Nothing drifts in a simulated account."""
        if state is not None:
            self.account.put(name, state)
            self.behaviour.found(name, state)
        return state

    def import_state(self, name: str, identifier: str) -> dict[str, Value]:
        block = self.schema.resource(name)
        given = self.behaviour.imported(name, identifier)
        state = {**block.empty(), **{key: value for key, value in given.items() if key in block.attributes}}
        subject = Subject(name, digest(40, name, identifier), {**given})
        for attribute in block.attributes.values():
            if attribute.read_only and state[attribute.name] is None:
                state[attribute.name] = self.behaviour.top_level(subject, attribute)
        return state

    def read_data(self, name: str, config: Mapping[str, Value]) -> dict[str, Value]:
        block = self.schema.data_source(name)
        state = _with_unknowns(block, config)
        with _answered(name):
            found = {**self._existing(name, config), **self.behaviour.data(name, config)}
        for key, value in found.items():
            if state.get(key) is UNKNOWN or (key in block.attributes and block.attributes[key].read_only):
                state[key] = value
        settled = {key: value for key, value in state.items() if known(value) and value is not None}
        return self._resolved(block, Subject(name, digest(40, name, config), settled, data=True), state)

    def _existing(self, name: str, config: Mapping[str, Value]) -> Mapping[str, Value]:
        """A resource of the same type in the account that the configuration names."""
        keys = [
            key for key in ("id", "arn", "name", "bucket", "identifier") if isinstance(config.get(key), str)
        ]
        for values in self.account.of_type(name) if keys else ():
            if all(values.get(key) == config[key] for key in keys):
                return {key: value for key, value in values.items() if value is not None}
        return {}

    # ---- ephemeral resources -------------------------------------------------------------------------------

    def open(self, name: str, config: Mapping[str, Value]) -> dict[str, Value]:
        """The values of an ephemeral resource; they stay in the account's memory."""
        block = self.schema.ephemeral(name)
        with _answered(name):
            found = self.behaviour.opened(name, config)
        state = _with_unknowns(block, config)
        state.update({key: value for key, value in found.items() if state.get(key) is UNKNOWN})
        result = self._resolved(block, Subject(name, digest(40, name, config), config, data=True), state)
        secret = self.behaviour.sensitive.get(name, frozenset())
        with self.account.lock:
            for attribute in block.attributes.values():
                if attribute.sensitive or attribute.name in secret:
                    self.account.secrets.update(strings(result[attribute.name]))
        return result


# ---- walking a block with its value ------------------------------------------------------------------------


def _empty(value: Value) -> bool:
    return value is None or value == [] or value == {}


def _items(nested: NestedBlock, value: Value) -> Iterator[tuple[Path, Value]]:
    """(steps, value) of every instance of a nested block."""
    if value is None or value is UNKNOWN:
        return
    if isinstance(value, list):
        yield from (((position,), item) for position, item in enumerate(value))
    elif nested.nesting is Nesting.MAP:
        yield from (((key,), item) for key, item in value.items())
    else:
        yield (), value


def _settings_of_read_only(block: Block, value: Value, path: Path = ()) -> Iterator[Complaint]:
    """Terraform does not check this itself, it leaves it to the provider."""
    if not isinstance(value, Mapping):
        return
    for name, attribute in block.attributes.items():
        if attribute.read_only and value.get(name) is not None:
            where = (*path, name)
            yield Complaint(
                where,
                "Value for unconfigurable attribute",
                f'Can\'t configure a value for "{dotted(where)}": the provider decides it during apply.',
            )
    for name, nested in block.blocks.items():
        for steps, item in _items(nested, value.get(name)):
            yield from _settings_of_read_only(nested.block, item, (*path, name, *steps))


def _write_only_strings(block: Block, value: Value) -> Iterator[str]:
    if not isinstance(value, Mapping):
        return
    for name, attribute in block.attributes.items():
        if attribute.write_only:
            yield from strings(value.get(name))
    for name, nested in block.blocks.items():
        for _, item in _items(nested, value.get(name)):
            yield from _write_only_strings(nested.block, item)


def _planned_attribute(attribute: Attribute, value: Value) -> Value:
    if attribute.write_only:
        return None
    # Terraform proposes the configured value, else the prior one: null means that there is neither.
    return UNKNOWN if attribute.computed and value is None else value


def _map_items(nested: NestedBlock, value: Value, change: Change) -> Value:
    if value is None or value is UNKNOWN:
        return value
    if isinstance(value, list):
        return [item if item is UNKNOWN else change(i, item) for i, item in enumerate(value)]
    if nested.nesting is Nesting.MAP:
        return {key: change(key, item) for key, item in value.items()}
    return change(None, value)


def _with_unknowns(block: Block, proposed: Mapping[str, Value]) -> dict[str, Value]:
    """A new object: computed attributes without a value are unknown, write-only ones absent."""
    state = dict(proposed)
    for name, attribute in block.attributes.items():
        state[name] = _planned_attribute(attribute, proposed.get(name))
    for name, nested in block.blocks.items():
        state[name] = _map_items(nested, proposed.get(name), _new_block(nested))
    return state


def _new_block(nested: NestedBlock) -> Change:
    return lambda _, item: _with_unknowns(nested.block, item)


def _changed(block: Block, prior: Mapping[str, Value], proposed: Mapping[str, Value]) -> dict[str, Value]:
    """An existing object: only new nested blocks bring unknown values."""
    state = dict(proposed)
    for name, attribute in block.attributes.items():
        if attribute.write_only:
            state[name] = None
    for name, nested in block.blocks.items():
        state[name] = _map_items(nested, proposed.get(name), _block_change(nested, prior.get(name)))
    return state


def _block_change(nested: NestedBlock, before: Value) -> Change:
    def change(key: str | int | None, item: Mapping[str, Value]) -> Value:
        if nested.nesting is Nesting.SET:
            same = item if isinstance(before, list) and item in before else None
        elif isinstance(before, list):
            same = before[key] if isinstance(key, int) and key < len(before) else None
        elif nested.nesting is Nesting.MAP:
            same = before.get(key) if isinstance(before, Mapping) else None
        else:
            same = before
        return _with_unknowns(nested.block, item) if same is None else _changed(nested.block, same, item)

    return change
