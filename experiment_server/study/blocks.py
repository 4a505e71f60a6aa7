"""A prepared block: returns each participant's config, as a value or as JSON text."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cached_property
from json.encoder import encode_basestring

from experiment_server.study.draws import Draw, Draws, has_calls, prepared
from experiment_server.study.model import PLAIN, RESERVED_KEYS, Block, BlockTemplate
from experiment_server.wire.values import JsonValue

_written = json.JSONEncoder(ensure_ascii=False).encode


class PreparedBlock:
    """A prepared block, which expands for any participant."""

    def __init__(self, template: BlockTemplate) -> None:
        self._name = template.name
        self._extends = template.extends
        self._config = template.config
        deep = {key: value for key, value in self._config.items() if type(value) not in PLAIN}
        self._own = [(key, prepared(value)) for key, value in deep.items()]
        self._drawn = {key: draw for key, draw in self._own if has_calls(deep[key])}

    def expand(self, draws: Draws, block_id: int) -> Block:
        """A participant's block, which shares no values with another participant's block."""
        config = self._config.copy()
        for key, draw in self._own:
            config[key] = draw(draws)
        config["participant_index"] = draws.participant_index
        config["name"] = self._name
        config["block_id"] = block_id
        return Block(self._name, self._extends, config)

    @cached_property
    def json(self) -> Callable[[Draws, str, int], str]:
        """A function that returns the config of `expand` as JSON.

        It takes the draws, the participant index as text, and the block id.
        """
        if not self._config.keys().isdisjoint(RESERVED_KEYS):
            # The file itself contains one of the reserved keys, at any position.
            return lambda draws, _, block_id: _written(self.expand(draws, block_id).config)
        drawn, before, name = self._texts()
        if not drawn:
            return lambda _draws, index, block_id: f"{before}{index}{name}{block_id}}}"
        if len(drawn) > 1:
            return lambda draws, index, block_id: (
                "".join([f"{text}{encoded(draw(draws))}" for text, draw in drawn])
                + f"{before}{index}{name}{block_id}}}"
            )
        [(text, draw)] = drawn
        return lambda draws, index, block_id: (
            f"{text}{encoded(draw(draws))}{before}{index}{name}{block_id}}}"
        )

    def _texts(self) -> tuple[list[tuple[str, Draw]], str, str]:
        """The drawn values, each with the text before it, and the texts around the index."""
        drawn = []
        text = "{"
        for key, value in self._config.items():
            text += f"{encode_basestring(key)}: "
            if key in self._drawn:
                drawn.append((text, self._drawn[key]))
                text = ""
            else:
                text += _written(value)
            text += ", "
        name = f', "name": {encode_basestring(self._name)}, "block_id": '
        return drawn, f'{text}"participant_index": ', name


def encoded(value: JsonValue) -> str:
    """A value as JSON. The most common types are encoded here, which is faster than the encoder."""
    if type(value) is list and len(value) == 1 and type(value[0]) is str:
        return f"[{encode_basestring(value[0])}]"
    return _written(value)
